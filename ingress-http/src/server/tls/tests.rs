use super::*;
use crate::server::tests::certificate;

fn open(folder: &Path) -> Result<Tls, TlsError> {
    Tls::from_files(folder.join("tls.crt"), folder.join("tls.key"))
}

#[test]
fn what_is_wrong_is_told_with_the_file_and_nothing_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    certificate(path);
    assert!(open(path).is_ok());
    let (good, key) = (path.join("tls.crt"), path.join("tls.key"));
    let (certificate_pem, key_pem) = (std::fs::read(&good).unwrap(), std::fs::read_to_string(&key).unwrap());
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    let strange_key = std::fs::read_to_string(other.path().join("tls.key")).unwrap();
    let secret = key_pem.lines().nth(1).unwrap();

    let cases = [
        (&good, b"".to_vec(), "tls.crt: holds no certificate"),
        (&good, vec![b'x'; 2 << 20], "tls.crt: larger than"),
        (
            &good,
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            "tls.crt: the first certificate",
        ),
        (&key, b"".to_vec(), "tls.key: holds no private key"),
        (&key, strange_key.into_bytes(), "tls.key: not the private key of"),
        (&key, format!("-----BEGIN {secret}\n").into_bytes(), "tls.key: "),
        (&key, format!("-----BEGIN PRIVATE KEY-----\n{secret}\n").into_bytes(), "tls.key: "),
        (
            &key,
            format!("-----BEGIN PRIVATE KEY-----\n{secret}!\n-----END PRIVATE KEY-----\n").into_bytes(),
            "tls.key: ",
        ),
        (
            &key,
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", &secret[..16])
                .into_bytes(),
            "tls.key: ",
        ),
    ];
    for (at, (file, contents, expected)) in cases.into_iter().enumerate() {
        std::fs::write(file, contents).unwrap();
        let error = open(path).unwrap_err();
        let message = format!("{error} {error:?}");
        assert_eq!(error.file(), file, "case {at}");
        assert!(message.contains(expected), "case {at}: {message}");
        assert!(!message.contains(&secret[..16]), "case {at}: {message}");
        std::fs::write(&good, &certificate_pem).unwrap();
        std::fs::write(&key, &key_pem).unwrap();
    }
    std::fs::remove_file(&key).unwrap();
    assert!(open(path).unwrap_err().to_string().contains("tls.key: No such file"));
}

#[test]
fn files_that_are_replaced_one_after_the_other_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    certificate(path);
    let tls = open(path).unwrap();
    assert!(matches!(tls.look(), Look::Same));
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    std::fs::copy(other.path().join("tls.crt"), path.join("tls.crt")).unwrap();
    assert!(matches!(tls.look(), Look::Same), "the key does not fit yet");
    std::fs::copy(other.path().join("tls.key"), path.join("tls.key")).unwrap();
    assert!(matches!(tls.look(), Look::Replaced));
    assert!(matches!(tls.look(), Look::Same));
}

#[test]
fn a_file_that_is_gone_is_told_of_once_and_again_after_it_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    certificate(path);
    let tls = open(path).unwrap();
    let (key, away) = (path.join("tls.key"), path.join("away"));
    for _ in 0..2 {
        std::fs::rename(&key, &away).unwrap();
        let told = (0..4).filter(|_| matches!(tls.look(), Look::Bad(_))).count();
        assert_eq!(told, 1);
        std::fs::rename(&away, &key).unwrap();
        assert!(matches!(tls.look(), Look::Same));
    }
}

#[cfg(unix)]
#[test]
fn a_mounted_secret_changes_by_its_link() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("1"), folder.path().join("2"));
    for version in [&one, &other] {
        std::fs::create_dir(version).unwrap();
        certificate(version);
    }
    let data = folder.path().join("data");
    std::os::unix::fs::symlink(&one, &data).unwrap();
    let tls = open(&data).unwrap();
    let fresh = folder.path().join("fresh");
    std::os::unix::fs::symlink(&other, &fresh).unwrap();
    std::fs::rename(&fresh, &data).unwrap();
    assert!(matches!(tls.look(), Look::Replaced));
}
