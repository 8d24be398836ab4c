//! A program in QEMU's place tries what QEMU must not do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::super::process::die_with_parent_inheriting;
use super::*;

/// Tries everything, and writes `NAME: yes` or `NAME: no` to its standard error, by what was possible. A shell is
/// interpreted, so that this is also what becomes of a script that starts QEMU.
const INTRUDER: &str = r#"#!/bin/bash
try() {
    local name=$1
    shift
    if "$@" >/dev/null 2>&1; then echo "$name: yes"; else echo "$name: no"; fi >&2
}
append() { echo x >>"$1"; }
create() { set -C; echo x >"$1"; }
truncate() { : >|"$1"; }
send() { echo x >&"$1"; }
connect() ( exec 9<>"/dev/$1/127.0.0.1/$2" )
bounded() { [[ $(<"/proc/$$/status") =~ NoNewPrivs:[[:space:]]*1 ]]; }
user() { [[ $UID == "$1" ]]; }

try read-program cat "$0"
try read-input cat "$inputs/kernel"
try read-state cat "$inputs/state"
try read-firmware cat "$inputs/../share/firmware"
try read-itself cat "/proc/$$/maps"
try read-directives cat directives
try write-erst append erst
try write-own create page
try write-again truncate page
try rewrite-ram append "$inputs/ram"
try use-device append /dev/null
try use-inherited send "$inherited"
try no-new-privileges bounded
try nobody user 65534

try read-own-environment test -n "$CARGO_MANIFEST_DIR"
try read-secret cat "$outside/secret"
try read-shadow cat /etc/shadow
try read-passwd cat /etc/passwd
try read-environment cat "/proc/$PPID/environ"
try read-other-process cat "/proc/$PPID/status"
try list-root ls /
try write-input append "$inputs/kernel"
try truncate-ram truncate "$inputs/ram"
try truncate-state truncate "$inputs/state"
try create-in-cache create "$inputs/new"
try create-outside create "$outside/new"
try create-in-tmp create "/tmp/harness-intruder-$$"
try make-folder mkdir folder
try make-link ln -s "$outside/secret" link
try change-mode chmod 777 directives
try execute-own ./own-program
try remove rm -f erst
try move-out mv directives "$outside/"
try tcp connect tcp "$tcp"
try udp connect udp "$udp"
try signal kill -0 "$PPID"
try become-root su root -c true
"#;

/// What QEMU needs.
const ALLOWED: [&str; 13] = [
    "read-program",
    "read-input",
    "read-state",
    "read-firmware",
    "read-itself",
    "read-directives",
    "write-erst",
    "write-own",
    "write-again",
    "rewrite-ram",
    "use-device",
    "use-inherited",
    "no-new-privileges",
];

/// What a harness that is not root may not do either.
const FOR_ROOT: [&str; 2] = ["read-shadow", "become-root"];

/// A trial's files, as in a cache, and somebody else's.
struct Place {
    cache: TempDir,
    trial: TempDir,
    outside: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            cache: tempfile::tempdir().unwrap(),
            trial: tempfile::tempdir().unwrap(),
            outside: tempfile::tempdir().unwrap(),
        };
        for folder in ["inputs", "bin", "share"] {
            fs::create_dir(place.cache.path().join(folder)).unwrap();
        }
        for name in ["inputs/kernel", "inputs/initramfs", "inputs/state", "inputs/ram", "share/firmware"] {
            fs::write(place.cache.path().join(name), name).unwrap();
        }
        for name in ["erst", "directives"] {
            fs::write(place.trial.path().join(name), name).unwrap();
        }
        fs::write(place.outside.path().join("secret"), "of somebody's").unwrap();
        executable(&place.qemu(), INTRUDER);
        executable(&place.trial.path().join("own-program"), "#!/bin/bash\n");
        place
    }

    fn qemu(&self) -> PathBuf {
        self.cache.path().join("bin/qemu")
    }

    fn confinement(&self, saved: bool) -> Confinement {
        let input = |name: &str| self.cache.path().join("inputs").join(name);
        let (kernel, initramfs, ram, state) = (input("kernel"), input("initramfs"), input("ram"), input("state"));
        let (erst, directives) = (self.trial.path().join("erst"), self.trial.path().join("directives"));
        let files = Files {
            kernel: &kernel,
            initramfs: &initramfs,
            erst: Some(&erst),
            flash: None,
            directives: &directives,
            ram: if saved { Ram::Shared(&ram) } else { Ram::CopyOnWrite(&ram) },
            rtc: None,
            state: Some(&state),
            tracer: None,
            boot: None,
            turn: None,
        };
        Confinement::new(&self.qemu(), &files, self.trial.path())
    }

    /// What the program could do, confined or not.
    fn tried(&self, confinement: Option<Confinement>) -> BTreeMap<String, bool> {
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let inherited = [OwnedFd::from(File::create(self.outside.path().join("inherited")).unwrap())];
        let mut command = Command::new(self.qemu());
        command.current_dir(self.trial.path());
        command.env("inputs", self.cache.path().join("inputs")).env("outside", self.outside.path());
        command.env("tcp", tcp.local_addr().unwrap().port().to_string());
        command.env("udp", udp.local_addr().unwrap().port().to_string());
        command.env("inherited", inherited[0].as_raw_fd().to_string());
        if let Some(confinement) = confinement {
            confinement.apply_to(&mut command).unwrap();
        }
        die_with_parent_inheriting(&mut command, &inherited);
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        let answer = |line: &str| {
            let (name, answer) = line.split_once(": ").unwrap_or_else(|| panic!("{said}"));
            assert!(["yes", "no"].contains(&answer), "{said}");
            (name.to_owned(), answer == "yes")
        };
        said.lines().map(answer).collect()
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Which of them were possible, or were not.
fn those(tried: &BTreeMap<String, bool>, possible: bool) -> Vec<&str> {
    tried.iter().filter(|(_, was)| **was == possible).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn qemu_can_do_what_it_needs_and_nothing_else() {
    let landlock = match landlock_abi() {
        Ok(version) => version,
        Err(error) => return eprintln!("not tried: this kernel has no Landlock: {error}"),
    };
    // The attempts are good ones: without limits all succeed.
    let free = Place::new().tried(None);
    let root = geteuid().is_root();
    let mut failed = those(&free, false);
    failed.retain(|name| root || !FOR_ROOT.contains(name));
    assert_eq!(failed, ["no-new-privileges", "nobody"]);

    let held_in = Place::new();
    let tried = held_in.tried(Some(held_in.confinement(false)));
    let mut allowed = ALLOWED.to_vec();
    allowed.extend(can_become_nobody().then_some("nobody"));
    // What older kernels do not know.
    allowed.extend((landlock < 3).then_some("truncate-ram"));
    allowed.extend((landlock < 6 && !can_become_nobody()).then_some("signal"));
    allowed.sort_unstable();
    assert_eq!(those(&tried, true), allowed);
    assert_eq!(tried.len(), free.len());
}

#[test]
fn ids_are_looked_up_in_the_map_of_a_namespace() {
    assert!(is_mapped("         0          0 4294967295\n", NOBODY));
    assert!(is_mapped("0 1000 1\n1 100000 65536\n", NOBODY));
    assert!(!is_mapped("0 1000 1\n", NOBODY));
    assert!(!is_mapped("0 100000 65534\n", NOBODY), "one too few");
    assert!(!is_mapped("70000 1 65536\n", NOBODY) && !is_mapped("nonsense\n0 0\n", NOBODY) && !is_mapped("", NOBODY));
}

/// Runs the filter as the kernel would, for a call with this first argument.
fn refuses(unix: bool, architecture: u32, call: libc::c_long, argument: u32) -> bool {
    let filter = filter(unix);
    let data = [(0, u32::try_from(call).unwrap()), (4, architecture), (16, argument)];
    let (mut at, mut loaded) = (0, 0);
    loop {
        let libc::sock_filter { code, jt, jf, k } = filter[at];
        let further = |yes| usize::from(if yes { jt } else { jf });
        at += 1;
        match code {
            0x20 => loaded = data.iter().find(|(offset, _)| *offset == k).expect("it is filled in").1,
            EQUAL => at += further(loaded == k),
            AT_LEAST => at += further(loaded >= k),
            0x06 => return k != libc::SECCOMP_RET_ALLOW,
            other => panic!("{other:#x}"),
        }
    }
}

#[test]
fn the_filter_leaves_one_kind_of_socket_to_a_guest_that_is_saved_and_none_to_others() {
    let family = |family: libc::c_int| family.unsigned_abs();
    for (unix, argument, refused) in [
        (false, libc::AF_UNIX, true),
        (false, libc::AF_INET, true),
        (true, libc::AF_UNIX, false),
        (true, libc::AF_INET, true),
        (true, libc::AF_NETLINK, true),
        (true, libc::AF_VSOCK, true),
    ] {
        assert_eq!(refuses(unix, ARCHITECTURE, libc::SYS_socket, family(argument)), refused, "{unix} {argument}");
    }
    for unix in [false, true] {
        for call in REFUSED {
            assert!(refuses(unix, ARCHITECTURE, *call, 0), "{call}");
        }
        for call in [libc::SYS_read, libc::SYS_socketpair, libc::SYS_openat, libc::SYS_landlock_restrict_self] {
            assert!(!refuses(unix, ARCHITECTURE, call, 0), "{call}");
            assert!(refuses(unix, ARCHITECTURE + 1, call, 0), "{call}, of another architecture");
            assert!(refuses(unix, ARCHITECTURE, call + i64::from(X32), 0), "{call}, of x32");
        }
    }
}
