//! What kind of ingress one is: drawn from its seed, and the same for its whole life.

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::space::{Space, Stage};
use super::vocabulary::{Component, TENANTS, VARIANTS};

/// Portable and cheap to seed: one is made for every part of every object that is rendered.
pub(super) type Dice = Xoshiro256PlusPlus;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Character {
    pub(super) shape: Shape,
    pub(super) class: Class,
    /// The class stands in the annotation that came before `spec.ingressClassName`.
    pub(super) legacy_class: bool,
    pub(super) tls: TlsStyle,
    pub(super) tooling: Tooling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One host, one path.
    Single,
    /// One host, a path for each of several services.
    Gateway,
    /// The product's own name, with and without `www`.
    Apex,
    /// A wildcard host for tenants.
    Wildcard,
    /// Rules that match every host.
    Hostless,
    /// A default backend and no rules.
    Fallback,
    /// Static files from a bucket: a resource as backend.
    Bucket,
    /// A share of another ingress's requests.
    Canary,
    /// A regular expression as path, rewritten on the way.
    Rewrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Nginx,
    NginxInternal,
    Traefik,
    Haproxy,
    Alb,
    /// None at all: whatever the cluster takes as default.
    Unset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsStyle {
    None,
    /// One certificate for all hosts.
    All,
    /// The last host was forgotten.
    Partial,
    /// Hosts without a secret: the controller's own certificate.
    Secretless,
    /// A secret without hosts.
    Hostless,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tooling {
    Helm,
    Argo,
    Flux,
    Kubectl,
}

impl Class {
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx"),
            Self::NginxInternal => Some("nginx-internal"),
            Self::Traefik => Some("traefik"),
            Self::Haproxy => Some("haproxy"),
            Self::Alb => Some("alb"),
            Self::Unset => None,
        }
    }
}

impl Tooling {
    /// The manager and operation that stand in `managedFields`.
    pub(super) fn field_manager(self) -> (&'static str, &'static str) {
        match self {
            Self::Helm => ("helm", "Update"),
            Self::Argo => ("argocd-controller", "Apply"),
            Self::Flux => ("kustomize-controller", "Apply"),
            Self::Kubectl => ("kubectl-client-side-apply", "Update"),
        }
    }
}

impl Character {
    /// Draws the character of an ingress for a component.
    pub(super) fn draw(seed: u64, space: &Space, component: &Component) -> Self {
        let mut dice = Dice::seed_from_u64(seed);
        let shape = shape(&mut dice, space, component);
        let class = match shape {
            Shape::Canary | Shape::Rewrite => Class::Nginx,
            Shape::Bucket => Class::Traefik,
            _ => class(&mut dice, space, component),
        };
        let legacy_class = dice.random_ratio(1, 14) && matches!(class, Class::Nginx | Class::Traefik);
        let tls = match (shape, dice.random_range(0..100)) {
            (Shape::Hostless, 30..) | (Shape::Fallback, _) => TlsStyle::None,
            (Shape::Hostless, _) => TlsStyle::Hostless,
            _ if class == Class::Alb => TlsStyle::None,
            (Shape::Apex | Shape::Gateway, 72..90) => TlsStyle::Partial,
            (_, ..84) => TlsStyle::All,
            (_, ..88) => TlsStyle::Secretless,
            _ => TlsStyle::None,
        };
        Self { shape, class, legacy_class, tls, tooling: tooling(&mut dice, space) }
    }
}

fn shape(dice: &mut Dice, space: &Space, component: &Component) -> Shape {
    let front = component.path == "/";
    match dice.random_range(0..100) {
        ..10 if front && !space.product.inward => Shape::Apex,
        ..50 => Shape::Single,
        50..72 => Shape::Gateway,
        72..77 if space.stage == Stage::Production => Shape::Wildcard,
        72..80 => Shape::Hostless,
        80..82 => Shape::Fallback,
        82..85 => Shape::Bucket,
        85..91 if !space.product.inward => Shape::Canary,
        85..96 => Shape::Rewrite,
        _ => Shape::Single,
    }
}

fn class(dice: &mut Dice, space: &Space, component: &Component) -> Class {
    let chance = dice.random_range(0..100);
    let inner = matches!(component.name, "admin" | "worker-ui" | "reports" | "directory" | "rights");
    if space.product.inward || inner {
        return if chance < 88 { Class::NginxInternal } else { Class::Traefik };
    }
    let usual = match space.product.name {
        "media" | "streaming" | "marketing" | "careers" => Class::Alb,
        "partners" | "marketplace" | "search" | "maps" => Class::Traefik,
        "support" | "logistics" | "tracking" => Class::Haproxy,
        _ => Class::Nginx,
    };
    match chance {
        ..82 => usual,
        82..90 => Class::Nginx,
        90..95 => Class::NginxInternal,
        95..98 => Class::Traefik,
        _ => Class::Unset,
    }
}

/// A team stays with one tool, with exceptions.
fn tooling(dice: &mut Dice, space: &Space) -> Tooling {
    let habit = if dice.random_ratio(4, 5) { space.uid } else { dice.random() };
    match habit % 20 {
        ..7 => Tooling::Helm,
        7..13 => Tooling::Argo,
        13..16 => Tooling::Flux,
        _ => Tooling::Kubectl,
    }
}

/// A name that is not taken yet: the plain one first, then versions, regions and tenants, then numbers.
pub(super) fn name(
    dice: &mut Dice,
    space: &Space,
    component: &Component,
    shape: Shape,
    taken: impl Fn(&str) -> bool,
) -> String {
    let component = match shape {
        Shape::Apex => "web",
        Shape::Wildcard => "tenants",
        Shape::Fallback => "fallback",
        Shape::Gateway if component.path == "/" => "gateway",
        _ => component.name,
    };
    // A team's habit, too.
    let stem = if space.uid & 1 == 0 && component != space.product.name {
        format!("{}-{component}", space.product.name)
    } else {
        component.to_owned()
    };
    let suffix = if shape == Shape::Canary { "-canary" } else { "" };
    let plain = format!("{stem}{suffix}");
    if !taken(&plain) {
        return plain;
    }
    for words in [VARIANTS, VARIANTS, TENANTS, TENANTS] {
        let name = format!("{stem}-{}{suffix}", words.choose(dice).unwrap_or(&"alt"));
        if !taken(&name) {
            return name;
        }
    }
    // Drawn and not counted: to count up to the first free one would take longer with every ingress.
    loop {
        let (word, number) = (TENANTS.choose(dice).unwrap_or(&"alt"), dice.random_range(2..10_000));
        let name = format!("{stem}-{word}-{number}{suffix}");
        if !taken(&name) {
            return name;
        }
    }
}
