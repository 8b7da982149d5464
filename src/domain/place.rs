//! Where public directories lie, and lay: a directory that was given another path leaves things of ours behind, which go
//! from there when their time is over.

use std::collections::BTreeSet;

use super::moment::Moment;
use super::placed::{DirectoryName, Placed};

/// A file as the system knows it. Devices may be numbered anew when a machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

/// A place of a public directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub directory: DirectoryName,
    /// Its path.
    pub path: String,
    /// What was seen there last, if anything was.
    pub id: Option<FileId>,
    /// Since when the directory lies elsewhere, or is configured no more; `None` where it is here.
    pub left: Option<Moment>,
}

impl Place {
    /// Whether `placed` was placed before the directory left this place, and so may lie here.
    pub fn may_hold(&self, placed: &Placed) -> bool {
        self.directory == placed.directory && self.left.is_none_or(|left| placed.placed <= left)
    }

    /// Whether `other` is the same file, wherever it lies.
    fn is_same_file(&self, other: &Self) -> bool {
        self.id.is_some() && self.id == other.id
    }
}

/// What becomes of the places that were known before, where directories lie at `here` at `now`: all places, and the
/// directories in which what is missing was, for all that is known, never there.
pub fn settle(before: &[Place], here: &[Place], now: Moment) -> (Vec<Place>, BTreeSet<DirectoryName>) {
    let mut moved = BTreeSet::new();
    let mut places: Vec<Place> = Vec::new();
    for place in here {
        let known = before.iter().find(|known| known.directory == place.directory && known.left.is_none());
        // An inode is given again: one that was seen elsewhere may be another directory.
        let is_elsewhere = known.is_some_and(|known| known.path != place.path);
        let is_other = known.is_some_and(|known| known.id.is_some() && place.id.is_some() && known.id != place.id);
        if is_elsewhere || is_other {
            moved.insert(place.directory.clone());
        }
        // What is away for a while is what it was.
        let id = place.id.or_else(|| known.filter(|known| known.path == place.path)?.id);
        places.push(Place { id, left: None, ..place.clone() });
    }
    let mut former: Vec<Place> = Vec::new();
    for known in before {
        let is_it = |place: &Place| known.path == place.path || (known.left.is_none() && known.is_same_file(place));
        if places.iter().any(|place| place.directory == known.directory && is_it(place)) {
            continue;
        }
        let left = known.left.unwrap_or(now);
        match former.iter_mut().find(|other| (&other.directory, &other.path) == (&known.directory, &known.path)) {
            Some(twice) => twice.left = twice.left.max(Some(left)),
            None => former.push(Place { left: Some(left), ..known.clone() }),
        }
    }
    places.extend(former);
    (places, moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(directory: &str, path: &str, inode: u64, left: Option<u64>) -> Place {
        let id = (inode > 0).then_some(FileId { device: 1, inode });
        let directory = DirectoryName::parse(directory).expect("a name");
        Place { directory, path: path.to_owned(), id, left: left.map(Moment::from_millis) }
    }

    #[test]
    fn a_place_that_a_directory_left_is_known_until_the_directory_lies_there_again() {
        let here = |path, inode| place("pub", path, inode, None);
        let left = |path, inode, at| place("pub", path, inode, Some(at));
        for (what, before, now, after, is_moved) in [
            ("the first start", vec![], vec![here("/a", 1)], vec![here("/a", 1)], false),
            ("nothing new", vec![here("/a", 1)], vec![here("/a", 1)], vec![here("/a", 1)], false),
            ("another path", vec![here("/a", 1)], vec![here("/b", 2)], vec![here("/b", 2), left("/a", 1, 9)], true),
            ("another path, where nothing is", vec![here("/a", 1)], vec![here("/b", 0)], vec![here("/b", 0), left("/a", 1, 9)], true),
            ("the directory itself was moved", vec![here("/a", 1)], vec![here("/b", 1)], vec![here("/b", 1)], true),
            ("another directory at the path", vec![here("/a", 1)], vec![here("/a", 2)], vec![here("/a", 2)], true),
            ("nothing there for a while", vec![here("/a", 1)], vec![here("/a", 0)], vec![here("/a", 1)], false),
            ("seen for the first time", vec![here("/a", 0)], vec![here("/a", 1)], vec![here("/a", 1)], false),
            ("nobody saw it before", vec![here("/a", 0)], vec![here("/b", 1)], vec![here("/b", 1), left("/a", 0, 9)], true),
            ("back again", vec![here("/b", 2), left("/a", 1, 5)], vec![here("/a", 1)], vec![here("/a", 1), left("/b", 2, 9)], true),
            (
                "a third",
                vec![here("/b", 2), left("/a", 1, 5)],
                vec![here("/c", 3)],
                vec![here("/c", 3), left("/b", 2, 9), left("/a", 1, 5)],
                true,
            ),
            ("not configured any more", vec![here("/a", 1)], vec![], vec![left("/a", 1, 9)], false),
            ("configured again", vec![left("/a", 1, 5)], vec![here("/a", 1)], vec![here("/a", 1)], false),
            (
                "of another name",
                vec![place("other", "/a", 1, Some(5))],
                vec![here("/a", 1)],
                vec![here("/a", 1), place("other", "/a", 1, Some(5))],
                false,
            ),
        ] {
            let (places, moved) = settle(&before, &now, Moment::from_millis(9));
            assert_eq!(places, after, "{what}");
            assert_eq!(!moved.is_empty(), is_moved, "{what}");
            assert_eq!(settle(&places, &now, Moment::from_millis(10)), (places.clone(), BTreeSet::new()), "{what}, once more");
        }
    }
}
