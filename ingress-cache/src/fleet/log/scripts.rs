//! The log's steps inside Redis, where nothing comes between them.

use std::sync::LazyLock;

use crate::redis::Script;

pub(super) struct Scripts {
    pub(super) open: Script,
    pub(super) anew: Script,
    pub(super) append: Script,
    pub(super) beat: Script,
    pub(super) stage: Script,
    pub(super) commit: Script,
    pub(super) retire: Script,
    pub(super) now: Script,
}

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(include_str!("shared.lua"), include_str!($name)))
    };
}

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    open: script!("open.lua"),
    anew: script!("anew.lua"),
    append: script!("append.lua"),
    beat: script!("beat.lua"),
    stage: script!("stage.lua"),
    commit: script!("commit.lua"),
    retire: script!("retire.lua"),
    now: Script::new(include_str!("now.lua")),
});
