//! What the pictures share: text that ends no element, and a look that can be read on light and on dark pages.

/// Colours are those of `docs/panic-order.svg`. A picture brings its own background: a page that embeds it does not
/// tell whether it is dark.
const STYLE: &str = "\
    .mono { font-family: ui-monospace, 'SFMono-Regular', Menlo, 'DejaVu Sans Mono', monospace; }
    .b { font-weight: 600; } .s { font-size: 11px; fill: #57606a; } .m { text-anchor: middle; } .e { text-anchor: end; }
    .page { fill: #f6f8fa; stroke: #d0d7de; } .lane { stroke: #8c959f; } .step { fill: #fff; stroke: #8c959f; }
";

/// A picture of this size, in pixels, with its title, its description for those who do not see it, and its own style.
pub fn picture((width, height): (usize, usize), title: &str, description: &str, style: &str, body: &str) -> String {
    let (title, description) = (escaped(title), escaped(description));
    let (right, bottom) = (width.saturating_sub(1), height.saturating_sub(1));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="t d"
  font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" fill="#24292f">
  <title id="t">{title}</title>
  <desc id="d">{description}</desc>
  <style>
{STYLE}{style}  </style>
  <rect class="page" x=".5" y=".5" width="{right}" height="{bottom}" rx="8"/>
{body}</svg>
"##
    )
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
            c if c.is_control() => safe.push(char::REPLACEMENT_CHARACTER),
            c => safe.push(c),
        }
    }
    safe
}
