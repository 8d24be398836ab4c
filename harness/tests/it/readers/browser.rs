//! A browser without a window.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::is_there;
use crate::common::text;

/// The program, of the package that is called so.
const PROGRAM: &str = "chromium-headless-shell";

/// A browser whose every request for another machine is heard here, whatever the name of that machine.
pub struct Browser {
    folder: TempDir,
    /// Where all names lead to.
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Browser {
    /// `None` where there is none.
    pub fn new() -> Option<Self> {
        if !is_there(PROGRAM, Command::new(PROGRAM).arg("--version")) {
            return None;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                heard.fetch_add(1, Ordering::SeqCst);
                let _ = connection.read(&mut [0; 1024]);
            }
        });
        Some(Self { folder: tempfile::tempdir().unwrap(), port, asked })
    }

    /// How many requests for other machines there were.
    pub fn requests(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Loads a page with scripts, and returns its document when it has been loaded.
    pub fn dom(&self, page: &str) -> String {
        let output = self.start(page, (1280, 900)).arg("--dump-dom").arg(self.url()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Shows a page of this width with scripts off, and evaluates an expression in another document, in which `page` is the
    /// page's.
    pub fn evaluate(&self, page: &str, width: u32, expression: &str) -> Value {
        let outer = format!(
            "{}<pre id=\"said\"></pre><script>onload = () => {{ const page = document.querySelector('iframe').contentDocument;
             document.getElementById('said').textContent = JSON.stringify({expression}); }}</script>",
            frame(page, width)
        );
        let dom = self.dom(&outer);
        let (_, said) = dom.split_once("<pre id=\"said\">").unwrap();
        let said = said.split("</pre>").next().unwrap();
        let said = said.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Takes a picture of a page of this size with scripts off.
    pub fn picture(&self, page: &str, (width, height): (u32, u32), file: &Path) {
        let mut command = self.start(&frame(page, width), (width, height));
        let output = command.arg(format!("--screenshot={}", file.display())).arg(self.url()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    fn start(&self, page: &str, (width, height): (u32, u32)) -> Command {
        std::fs::write(self.folder.path().join("page.html"), page).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]);
        command.arg(format!("--user-data-dir={}", self.folder.path().join("profile").display()));
        command.arg(format!("--host-resolver-rules=MAP * 127.0.0.1:{}", self.port));
        command.arg(format!("--window-size={width},{height}"));
        command
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder.path().join("page.html").display())
    }
}

/// A document that has only the page in it, without its scripts.
fn frame(page: &str, width: u32) -> String {
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!DOCTYPE html><body style=\"margin: 0\"><iframe sandbox=\"allow-same-origin\" width=\"{width}\" height=\"8000\" \
         style=\"border: 0\" srcdoc=\"{page}\"></iframe>"
    )
}
