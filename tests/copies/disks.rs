//! File systems of their own, in images that are mounted for a test.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A mounted file system. Ends with this value.
pub struct Disk {
    // Below the image, so that it is unmounted before that goes.
    directory: TempDir,
}

impl Disk {
    /// XFS whose files can share blocks.
    pub fn xfs() -> Self {
        Self::image("mkfs.xfs", &["-q", "-m", "reflink=1"], 512)
    }

    /// Btrfs.
    pub fn btrfs() -> Self {
        Self::image("mkfs.btrfs", &["-q"], 256)
    }

    /// In memory, with room for so many MiB.
    pub fn memory(mib: u32) -> Self {
        let disk = Self { directory: TempDir::new().unwrap() };
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
        disk
    }

    /// Makes one in memory larger.
    pub fn grow(&self, mib: u32) {
        run("mount", &["-o", &format!("remount,size={mib}m"), self.root().to_str().unwrap()]);
    }

    /// A new directory on it.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    fn image(maker: &str, arguments: &[&str], mib: u64) -> Self {
        let disk = Self { directory: TempDir::new().unwrap() };
        let image = disk.directory.path().join("image");
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let image = image.to_str().unwrap();
        run(maker, &[arguments, &[image]].concat());
        disk.mount(&["-o", "loop", image]);
        disk
    }

    fn mount(&self, arguments: &[&str]) {
        let root = self.root();
        fs::create_dir(&root).unwrap();
        run("mount", &[arguments, &[root.to_str().unwrap()]].concat());
        if !rustix::process::geteuid().is_root() {
            run("chmod", &["1777", root.to_str().unwrap()]);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.root().exists() {
            run("umount", &["--lazy", self.root().to_str().unwrap()]);
        }
    }
}

/// Only root mounts.
pub fn run(program: &str, arguments: &[&str]) {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if is_root { program } else { "sudo" });
    if !is_root {
        command.args(["-n", program]);
    }
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output =
        command.args(arguments).env("PATH", path).output().unwrap_or_else(|error| panic!("{program} (tests/run installs it): {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
