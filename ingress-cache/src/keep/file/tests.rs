use std::fs;

use super::*;

const NAME: &str = "ingresses.networking.k8s.io";

fn state(fill: u8, length: usize) -> Bytes {
    vec![fill; length].into()
}

fn files(keep: &FileKeep) -> Vec<String> {
    let entries = fs::read_dir(keep.directory()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_was_saved_last_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path().join("made/by/it"));
    assert_eq!(keep.load(NAME).await, None);
    for fill in 1..4 {
        keep.save(NAME, state(fill, 1000)).await;
        keep.save("other", state(9, 1)).await;
        assert_eq!(keep.load(NAME).await, Some(state(fill, 1000)));
    }
    keep.save(NAME, Bytes::new()).await;
    assert_eq!(FileKeep::new(keep.directory()).load(NAME).await, Some(Bytes::new()), "as the next process");
    assert_eq!(files(&keep), [&format!("{NAME}.state"), "other.state"]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path().join("state"));
    keep.save(NAME, state(1, 10)).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(keep.directory()), 0o700);
    assert_eq!(mode(&keep.directory().join(format!("{NAME}.state"))), 0o600);
}

#[tokio::test]
async fn whoever_is_killed_before_the_rename_leaves_the_last_state() {
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path());
    keep.save(NAME, state(1, 100)).await;
    // Whoever is killed doesn't tidy up either.
    std::mem::forget(keep.inner.folder.write(NAME, state(2, 100)).unwrap());
    assert_eq!(keep.load(NAME).await, Some(state(1, 100)));
    keep.save(NAME, state(3, 100)).await;
    assert_eq!(keep.load(NAME).await, Some(state(3, 100)));
}

#[tokio::test]
async fn every_cut_is_found_out_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path());
    keep.save(NAME, state(7, 60)).await;
    let file = folder.path().join(format!("{NAME}.state"));
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(keep.load(NAME).await, None, "{length} bytes");
        assert_eq!(files(&keep), [format!("{NAME}.damaged")], "only the newest is kept");
        assert_eq!(fs::read(folder.path().join(format!("{NAME}.damaged"))).unwrap().len(), length);
    }
    keep.save(NAME, state(8, 60)).await;
    assert_eq!(keep.load(NAME).await, Some(state(8, 60)), "and it goes on");
}

#[tokio::test]
async fn every_flipped_bit_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path());
    keep.save(NAME, state(7, 30)).await;
    let file = folder.path().join(format!("{NAME}.state"));
    let whole = fs::read(&file).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, flipped).unwrap();
        assert_eq!(keep.load(NAME).await, None, "bit {bit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_leave_one_whole_state() {
    let folder = tempfile::tempdir().unwrap();
    let writers = (1..=8_u8).map(|fill| {
        // Each is a process of its own.
        let keep = FileKeep::new(folder.path());
        async move {
            for _ in 0..20 {
                keep.save(NAME, state(fill, 50_000)).await;
            }
        }
    });
    let reader = async {
        let keep = FileKeep::new(folder.path());
        for _ in 0..100 {
            if let Some(state) = keep.load(NAME).await {
                assert_eq!(state.len(), 50_000);
                assert!(state.iter().all(|byte| *byte == state[0]));
            }
        }
    };
    tokio::join!(futures::future::join_all(writers), reader);
    let keep = FileKeep::new(folder.path());
    assert!(keep.load(NAME).await.is_some());
    assert_eq!(files(&keep), [format!("{NAME}.state")], "nothing is left behind");
}

#[tokio::test]
async fn a_save_that_was_begun_earlier_replaces_none_that_was_begun_later() {
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path());
    keep.inner.save(NAME, 2, state(2, 10));
    keep.inner.save(NAME, 1, state(1, 10));
    assert_eq!(keep.load(NAME).await, Some(state(2, 10)));
    assert_eq!(files(&keep), [format!("{NAME}.state")]);
}

#[tokio::test]
async fn a_place_that_is_no_directory_costs_the_head_start_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "here already").unwrap();
    for place in [file.clone(), file.join("below")] {
        let keep = FileKeep::new(&place);
        keep.save(NAME, state(1, 10)).await;
        keep.save(NAME, state(1, 10)).await;
        assert_eq!(keep.load(NAME).await, None);
    }
    assert_eq!(fs::read(&file).unwrap(), b"here already");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_directory_that_takes_no_files_is_told_of_once() {
    // Not even the superuser makes files there.
    let keep = FileKeep::new("/proc/self");
    keep.save(NAME, state(1, 10)).await;
    let trouble = |keep: &FileKeep| {
        let kind = keep.inner.folder.write(NAME, state(1, 10)).unwrap_err().kind();
        keep.inner.trouble.began("another", kind)
    };
    assert!(!trouble(&keep), "it is known");
    assert_eq!(keep.load(NAME).await, None);
}

#[tokio::test]
async fn what_lies_in_the_way_is_neither_removed_nor_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(folder.path());
    fs::create_dir_all(folder.path().join(format!("{NAME}.state/inside"))).unwrap();
    assert_eq!(keep.load(NAME).await, None);
    keep.save(NAME, state(1, 10)).await;
    assert_eq!(files(&keep), [format!("{NAME}.state")]);
}
