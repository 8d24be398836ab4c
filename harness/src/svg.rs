//! What the pictures share: text that ends no element, and a look that can be read on light and on dark pages.

use crate::text::reorders;

/// What all pictures have in common. Colours are those of `docs/panic-order.svg`. A picture brings its own background: a page
/// that embeds it does not tell whether it is dark.
const STYLE: &str = "\
    .mono { font-family: ui-monospace, 'SFMono-Regular', Menlo, 'DejaVu Sans Mono', monospace; }
    .b { font-weight: 600; } .s { font-size: 11px; fill: #57606a; } .m { text-anchor: middle; } .e { text-anchor: end; }
    .page { fill: #f6f8fa; stroke: #d0d7de; } .lane { stroke: #8c959f; } .step { fill: #fff; stroke: #8c959f; }
";

/// What pictures of one kind look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The kind, a word.
    pub kind: &'static str,
    /// Its own rules of style, besides those of all pictures.
    pub style: &'static str,
}

impl Look {
    /// The rules of style for pictures of this kind that are parts of a page.
    pub fn of_page(self) -> String {
        let Self { kind, style } = self;
        format!("svg.{kind} {{\n{STYLE}{style}}}\n")
    }
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// What it looks like.
    pub look: Look,
    /// Width and height in pixels.
    pub size: (usize, usize),
    /// What it shows, in a few words.
    pub title: String,
    /// The same in a sentence, for those who do not see it.
    pub description: String,
    /// Its elements.
    pub body: String,
}

impl Picture {
    /// As a file of its own.
    pub fn document(&self) -> String {
        let style = self.look.style;
        self.element(
            "xmlns=\"http://www.w3.org/2000/svg\"",
            "",
            &format!("  <style>\n{STYLE}{style}  </style>\n"),
            "\n  font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#24292f\"",
        )
    }

    /// As a part of a page that has the rules of its [`Look`]. `id` is a word that no other element's id begins with.
    pub fn part(&self, id: &str) -> String {
        self.element(&format!("class=\"picture {}\"", self.look.kind), id, "", "")
    }

    fn element(&self, begin: &str, id: &str, style: &str, more: &str) -> String {
        let Self { size: (width, height), body, .. } = self;
        let (title, description) = (escaped(&self.title), escaped(&self.description));
        let (right, bottom) = (width.saturating_sub(1), height.saturating_sub(1));
        format!(
            r#"<svg {begin} viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="{id}t {id}d"{more}>
  <title id="{id}t">{title}</title>
  <desc id="{id}d">{description}</desc>
{style}  <rect class="page" x=".5" y=".5" width="{right}" height="{bottom}" rx="8"/>
{body}</svg>
"#
        )
    }
}

/// Text in which nothing is markup, and nothing that XML forbids.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' => safe.push(' '),
            // XML 1.0, production 2.
            '\u{fffe}' | '\u{ffff}' => safe.push(char::REPLACEMENT_CHARACTER),
            c if c.is_control() || reorders(c) => safe.push(char::REPLACEMENT_CHARACTER),
            c => safe.push(c),
        }
    }
    safe
}
