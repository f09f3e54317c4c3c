//! Puts the page into the crate (feature `ui`).
//!
//! In this order: a `ui/dist` that was built before (published packages carry one) is embedded as it is; else the page
//! is built with npm, in `OUT_DIR`, because the sources may lie in a folder that cannot be written; else the crate gets
//! a plain page that says what is missing. A missing page must not keep anybody from building the library, so the last
//! case is a warning, unless `INGRESS_UI=require` makes it an error. `INGRESS_UI=skip` goes there directly.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::SystemTime,
};

/// What the page is built from. Not the whole folder: it holds `node_modules` and `dist`, too.
const SOURCES: &[&str] = &[
    "dev",
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=INGRESS_UI");
    if env::var_os("CARGO_FEATURE_UI").is_none() {
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

/// Why there is no page, in words for whoever reads the build's output or the page that stands in for it.
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

trait Explain<T> {
    fn explain(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T> Explain<T> for io::Result<T> {
    fn explain(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

fn run() -> Result<(), Failure> {
    let ui = folder("CARGO_MANIFEST_DIR")?.join("ui");
    let out = folder("OUT_DIR")?;
    let (skip, require) = match env::var("INGRESS_UI").as_deref() {
        Err(env::VarError::NotPresent) | Ok("") => (false, false),
        Ok("skip") => (true, false),
        Ok("require") => (false, true),
        _ => return Err(Failure("INGRESS_UI must be `require`, `skip` or unset".to_owned())),
    };
    for source in SOURCES.iter().map(|name| ui.join(name)).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
    }

    let built = if skip {
        Err(Failure("it was left out of this build by INGRESS_UI=skip".to_owned()))
    } else {
        prebuilt(&ui).map_or_else(|| build(&ui, &out), Ok)
    };
    match built {
        Ok(dist) => embed(&dist, &out),
        Err(failure) if require => Err(Failure(format!("the page could not be built: {failure}"))),
        Err(failure) => {
            if !skip {
                println!("cargo::warning=ingress-http is built without its page: {failure}.");
                println!(
                    "cargo::warning=The API is complete. For the page, have Node.js (20.19 or later) with npm and access to a \
                     registry, and build again with INGRESS_UI=require."
                );
            }
            embed_explanation(&failure, &out)
        }
    }
}

fn folder(variable: &str) -> Result<PathBuf, Failure> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| Failure(format!("{variable} is not set: this is a build script, to be run by Cargo")))
}

/// The folder of a page that was built before, unless the sources beside it have changed since.
fn prebuilt(ui: &Path) -> Option<PathBuf> {
    let dist = ui.join("dist");
    let built = modified(&dist.join("index.html"))?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let changed = SOURCES.iter().filter_map(|name| newest(&ui.join(name))).max();
    (changed <= Some(built)).then_some(dist)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// When the latest changed file at or below a path was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        let entries = fs::read_dir(path).ok()?;
        entries.flatten().filter_map(|entry| newest(&entry.path())).max()
    } else {
        modified(path)
    }
}

/// Builds the page below `out` and returns its folder.
fn build(ui: &Path, out: &Path) -> Result<PathBuf, Failure> {
    if !ui.join("package-lock.json").exists() {
        return Err(Failure("neither ui/dist nor the sources of the page are here".to_owned()));
    }
    let work = out.join("ui");
    for name in SOURCES {
        remove(&work.join(name))?;
        copy(&ui.join(name), &work.join(name))?;
    }
    install(&work)?;
    let dist = work.join("dist");
    remove(&dist)?;
    npm(&work, &["run", "build"])?;
    Ok(dist)
}

/// Installs what the lock file says, unless that is what the folder already holds.
fn install(work: &Path) -> Result<(), Failure> {
    let lock = fs::read(work.join("package-lock.json")).explain("package-lock.json cannot be read")?;
    let stamp = work.join("node_modules.lock");
    if work.join("node_modules").is_dir() && fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    remove(&stamp)?;
    // Everything that builds the page is a development dependency, which `NODE_ENV=production` would leave out. The
    // retries are short, so that a build without a network gets to the page's replacement within seconds.
    npm(
        work,
        &[
            "ci",
            "--include=dev",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-retries=2",
            "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=5000",
        ],
    )?;
    fs::write(&stamp, lock).explain("the state of node_modules cannot be noted")
}

/// Runs npm, and on failure repeats the last of what it said.
fn npm(work: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let output = match Command::new(NPM).args(arguments).current_dir(work).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure("npm is not installed, or not on the PATH".to_owned()));
        }
        Err(error) => return Err(Failure(format!("npm cannot be started: {error}"))),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let worth_reading = |line: &&str| !line.trim().is_empty() && !line.contains("    at ");
    let lines: Vec<&str> = said.lines().filter(worth_reading).collect();
    for line in lines.iter().skip(lines.len().saturating_sub(12)) {
        println!("cargo::warning=npm: {line}");
    }
    let command =
        arguments.iter().take_while(|argument| !argument.starts_with('-')).copied().collect::<Vec<_>>();
    Err(Failure(format!("`npm {}` failed ({})", command.join(" "), output.status)))
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure(format!("{} cannot be removed: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let copying = || format!("{} cannot be copied", from.display());
    if from.is_dir() {
        for entry in fs::read_dir(from).explain(copying())? {
            let entry = entry.explain(copying())?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).explain(copying())?;
    }
    // The contents and not the permissions: a copy of a read-only file could not be replaced by the next build.
    let bytes = fs::read(from).explain(copying())?;
    fs::write(to, bytes).explain(copying())
}

/// A file of the page.
struct File {
    /// Relative to the page, with `/` between its parts.
    name: String,
    path: PathBuf,
}

fn embed(dist: &Path, out: &Path) -> Result<(), Failure> {
    let mut files = Vec::new();
    collect(dist, "", &mut files)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    write_table(&files, out)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), Failure> {
    let reading = || format!("{} cannot be read", folder.display());
    for entry in fs::read_dir(folder).explain(reading())? {
        let entry = entry.explain(reading())?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Failure(format!("{} has a name that is not UTF-8", path.display())));
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.push(File { name, path });
        }
    }
    Ok(())
}

/// Stands in for the page with one that says why it is not there and where the API is.
fn embed_explanation(failure: &Failure, out: &Path) -> Result<(), Failure> {
    let reason = failure.0.replace('&', "&amp;").replace('<', "&lt;");
    let html = format!(
        r#"<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Ingresses</title>
  </head>
  <body>
    <h1>This build has no page</h1>
    <p>The page was not built: {reason}.</p>
    <p>
      To have it, install Node.js (20.19 or later) with npm and build again with <code>INGRESS_UI=require</code> in the
      environment, which makes the build say what is missing.
    </p>
    <p>The API works without it:</p>
    <ul>
      <li><a href="./api/ingresses">api/ingresses</a>: the ingresses</li>
      <li><a href="./api/ingresses/stream">api/ingresses/stream</a>: the same, live</li>
      <li><a href="./api/namespaces">api/namespaces</a>: the namespaces in view</li>
      <li><a href="./api/health">api/health</a>: the state of the cluster's API server</li>
      <li><a href="./api/info">api/info</a>: this server and its clusters</li>
    </ul>
  </body>
</html>
"#
    );
    let path = out.join("no-page.html");
    fs::write(&path, html).explain("the page that stands in cannot be written")?;
    write_table(&[File { name: "index.html".to_owned(), path }], out)
}

/// Writes the table that `src/page.rs` includes.
fn write_table(files: &[File], out: &Path) -> Result<(), Failure> {
    let mut index = None;
    let mut assets = String::new();
    for File { name, path } in files {
        let bytes = fs::read(path).explain(format_args!("{} cannot be read", path.display()))?;
        let entry = format!(
            "Asset {{ path: {:?}, content_type: {:?}, etag: {:?}, immutable: {}, body: include_bytes!({:?}) }}",
            format!("/{name}"),
            content_type(name),
            format!("\"{:016x}\"", fnv1a(&bytes)),
            // Vite puts a hash of the content into the names of what it writes to this folder.
            name.starts_with("assets/"),
            path,
        );
        if name == "index.html" {
            index = Some(entry);
        } else {
            assets.push_str(&format!("    {entry},\n"));
        }
    }
    let index = index.ok_or_else(|| Failure("the built page has no index.html".to_owned()))?;
    let table = format!("Site {{ index: {index}, assets: &[\n{assets}] }}\n");
    fs::write(out.join("site.rs"), table).explain("the table of the page's files cannot be written")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The 64-bit FNV-1a hash: enough to tell versions of a file apart, and no dependency.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
