//! Labels and annotations of a simulated ingress: those that controllers, certificates and delivery tools read or leave.

use rand::RngExt as _;

use super::character::{Character, Class, Shape, Tooling};
use super::object::{Pairs, Spec};
use super::plot::Plot;
use super::space::Stage;

const BODY_SIZES: [&str; 5] = ["1m", "8m", "16m", "50m", "100m"];
const TIMEOUTS: [&str; 5] = ["15", "30", "60", "120", "300"];
const RATES: [&str; 4] = ["20", "50", "100", "250"];

fn turn<const N: usize>(choices: [&'static str; N], by: u64) -> &'static str {
    let mut choices = choices;
    choices.rotate_left(usize::try_from(by % N as u64).unwrap_or_default());
    choices.first().copied().unwrap_or_default()
}

impl Plot {
    pub(super) fn labels(&self, character: &Character) -> Pairs<'_> {
        let product = self.space.product;
        let mut labels = Pairs::from([
            ("app.kubernetes.io/name".into(), self.component.name.into()),
            ("app.kubernetes.io/instance".into(), (&*self.name).into()),
            ("app.kubernetes.io/part-of".into(), product.name.into()),
            ("app.kubernetes.io/version".into(), self.version().into()),
            ("environment".into(), self.space.stage.label().into()),
            ("team".into(), product.team.into()),
        ]);
        let mut add = |key: &'static str, value: &'static str| labels.insert(key.into(), value.into());
        match character.tooling {
            Tooling::Helm => {
                add("app.kubernetes.io/managed-by", "Helm");
                labels.insert("helm.sh/chart".into(), format!("web-service-4.{}.1", self.seed % 9).into());
            }
            Tooling::Argo => {
                add("app.kubernetes.io/managed-by", "argocd");
                labels.insert("argocd.argoproj.io/instance".into(), (&*self.space.name).into());
            }
            Tooling::Flux => {
                add("kustomize.toolkit.fluxcd.io/namespace", "flux-system");
                labels.insert("kustomize.toolkit.fluxcd.io/name".into(), (&*self.space.name).into());
            }
            Tooling::Kubectl => {}
        }
        if character.shape == Shape::Canary {
            labels.insert("track".into(), "canary".into());
        }
        labels
    }

    /// The version of what it serves; a deployment counts it up.
    fn version(&self) -> String {
        let mut dice = self.dice(4);
        let (major, minor) = (dice.random_range(1..6), dice.random_range(0..30));
        format!("{major}.{}.{}", minor + self.edits.deploys / 10, self.edits.deploys % 10)
    }

    pub(super) fn annotations(&self, character: &Character, spec: &Spec) -> Pairs<'_> {
        let mut notes = Notes(Pairs::new());
        if character.legacy_class {
            notes.add("kubernetes.io/ingress.class", character.class.name().unwrap_or_default());
        }
        notes.say("example.com/owner", format!("{}@example.com", self.space.product.team));
        let commit = self.dice(5 + (u64::from(self.edits.deploys) << 8)).random::<u64>();
        notes.say("example.com/commit", format!("{:012x}", commit >> 16));
        if self.seed.is_multiple_of(4) {
            notes.say(
                "example.com/runbook",
                format!(
                    "https://runbooks.observability.corp.example/{}/{}",
                    self.space.zone, self.component.name
                ),
            );
        }
        self.delivery(character, &mut notes);
        self.certificate(spec, &mut notes);
        match character.class {
            Class::Nginx | Class::NginxInternal | Class::Unset => self.nginx(character, &mut notes),
            Class::Traefik => self.traefik(spec, &mut notes),
            Class::Haproxy => self.haproxy(&mut notes),
            Class::Alb => self.alb(&mut notes),
        }
        notes.0
    }

    fn delivery<'a>(&'a self, character: &Character, notes: &mut Notes<'a>) {
        let (space, name) = (&self.space.name, &self.name);
        match character.tooling {
            Tooling::Helm => {
                notes.add("meta.helm.sh/release-name", &self.space.zone);
                notes.add("meta.helm.sh/release-namespace", space);
            }
            Tooling::Argo => notes.say(
                "argocd.argoproj.io/tracking-id",
                format!("{space}:networking.k8s.io/Ingress:{space}/{name}"),
            ),
            Tooling::Flux => notes.add("kustomize.toolkit.fluxcd.io/prune", "Enabled"),
            Tooling::Kubectl => {}
        }
    }

    fn certificate<'a>(&'a self, spec: &Spec, notes: &mut Notes<'a>) {
        let Some(tls) = spec.tls.first() else { return };
        if tls.secret_name.is_some() {
            let production = self.space.stage == Stage::Production;
            let issuer = match (self.space.product.inward, production) {
                (true, _) => "corp-ca",
                (false, true) => "letsencrypt-prod",
                (false, false) => "letsencrypt-staging",
            };
            notes.add("cert-manager.io/cluster-issuer", issuer);
        }
        if self.seed.is_multiple_of(3) && !tls.hosts.is_empty() {
            notes.say("external-dns.alpha.kubernetes.io/hostname", tls.hosts.join(","));
        }
    }

    fn nginx(&self, character: &Character, notes: &mut Notes<'_>) {
        let (tuned, kind) = (u64::from(self.edits.tuning), self.seed >> 8);
        notes.add("nginx.ingress.kubernetes.io/proxy-body-size", turn(BODY_SIZES, kind + tuned));
        if kind % 2 == 1 {
            notes.add("nginx.ingress.kubernetes.io/proxy-read-timeout", turn(TIMEOUTS, kind + tuned / 2));
        }
        match character.shape {
            Shape::Canary => {
                notes.add("nginx.ingress.kubernetes.io/canary", "true");
                notes.say("nginx.ingress.kubernetes.io/canary-weight", self.edits.weight.to_string());
            }
            Shape::Rewrite => {
                notes.add("nginx.ingress.kubernetes.io/use-regex", "true");
                notes.add("nginx.ingress.kubernetes.io/rewrite-target", "/$2");
            }
            _ => {}
        }
        if character.class == Class::NginxInternal {
            notes.add(
                "nginx.ingress.kubernetes.io/whitelist-source-range",
                "198.51.100.0/24,2001:db8:c0::/48",
            );
        }
        match kind % 11 {
            0 => notes.add("nginx.ingress.kubernetes.io/affinity", "cookie"),
            1 => notes.add("nginx.ingress.kubernetes.io/backend-protocol", "GRPC"),
            2 => notes.add("nginx.ingress.kubernetes.io/limit-rps", turn(RATES, kind + tuned)),
            3 => notes.add("nginx.ingress.kubernetes.io/enable-cors", "true"),
            4 => notes.add("nginx.ingress.kubernetes.io/force-ssl-redirect", "true"),
            5 => notes.add(
                "nginx.ingress.kubernetes.io/configuration-snippet",
                "more_set_headers \"X-Frame-Options: DENY\";\nmore_set_headers \"Referrer-Policy: no-referrer\";\n",
            ),
            _ => {}
        }
    }

    fn traefik(&self, spec: &Spec, notes: &mut Notes<'_>) {
        let secure = !spec.tls.is_empty();
        let entry = if secure { "websecure" } else { "web" };
        notes.add("traefik.ingress.kubernetes.io/router.entrypoints", entry);
        if secure {
            notes.add("traefik.ingress.kubernetes.io/router.tls", "true");
        }
        let middleware =
            turn(["compress", "headers", "ratelimit"], u64::from(self.edits.tuning) + (self.seed >> 8));
        notes.say(
            "traefik.ingress.kubernetes.io/router.middlewares",
            format!("{}-{middleware}@kubernetescrd", self.space.name),
        );
    }

    fn haproxy(&self, notes: &mut Notes<'_>) {
        let tuned = u64::from(self.edits.tuning) + (self.seed >> 8);
        notes.add("haproxy.org/load-balance", turn(["roundrobin", "leastconn", "source"], self.seed));
        notes.say("haproxy.org/timeout-server", format!("{}s", turn(TIMEOUTS, tuned)));
        notes.add("haproxy.org/rate-limit-requests", turn(RATES, tuned));
    }

    fn alb(&self, notes: &mut Notes<'_>) {
        let tuned = u64::from(self.edits.tuning);
        notes.add("alb.ingress.kubernetes.io/scheme", "internet-facing");
        notes.add("alb.ingress.kubernetes.io/target-type", "ip");
        notes.add("alb.ingress.kubernetes.io/listen-ports", r#"[{"HTTP":80},{"HTTPS":443}]"#);
        notes.say("alb.ingress.kubernetes.io/group.name", format!("{}-public", self.space.zone));
        notes.say(
            "alb.ingress.kubernetes.io/healthcheck-interval-seconds",
            turn(TIMEOUTS, (self.seed >> 8) + tuned).to_owned(),
        );
        notes.say(
            "alb.ingress.kubernetes.io/certificate-arn",
            format!("arn:aws:acm:eu-west-1:123456789012:certificate/{}", self.space.zone),
        );
    }
}

struct Notes<'a>(Pairs<'a>);

impl<'a> Notes<'a> {
    fn add(&mut self, key: &'static str, value: &'a str) {
        self.0.insert(key.into(), value.into());
    }

    fn say(&mut self, key: &'static str, value: String) {
        self.0.insert(key.into(), value.into());
    }
}
