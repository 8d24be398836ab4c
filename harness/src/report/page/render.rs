//! Views put into the templates. Every value is escaped there; only pictures are markup already, and what is the page's own.

use data_encoding::BASE64;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Output, State, UndefinedBehavior, Value, context, escape_formatter};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::super::console::printable;
use super::super::curve::CURVE_LOOK;
use crate::timeline::{ORDERS_LOOK, TIMELINE_LOOK};

/// The page cannot be made: a template and what is put into it do not belong together.
#[derive(Debug, thiserror::Error)]
#[error("make the page: {0:#}")]
pub struct PageError(#[from] minijinja::Error);

/// The templates, by their names. Their ending has the values escaped.
pub(super) const TEMPLATES: [(&str, &str); 4] = [
    ("frame.html", include_str!("templates/frame.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("run.html", include_str!("templates/run.html")),
    ("trial.html", include_str!("templates/trial.html")),
];

const STYLE: &str = include_str!("templates/style.css");
const SCRIPT: &str = include_str!("templates/script.js");

/// Fills in a template.
pub(super) fn render(template: &str, view: &impl Serialize) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(as_text);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    let style = [CURVE_LOOK, ORDERS_LOOK, TIMELINE_LOOK].map(crate::svg::Look::of_page).concat() + STYLE;
    let frame = context! {
        style_digest => digest(&style),
        script_digest => digest(SCRIPT),
        style => Value::from_safe_string(style),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        version => env!("CARGO_PKG_VERSION"),
    };
    let values = context! { frame, ..Value::from(Serde(view)) };
    Ok(environment.get_template(template)?.render(values)?)
}

/// Writes a value: what was said by a guest, or stands in a file that anybody may have written, is made printable and escaped,
/// wherever it comes from.
fn as_text(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(printable(text.as_bytes()))),
        _ => escape_formatter(out, state, value),
    }
}

/// What a page's policy says of an element whose content may be executed or applied: no other may.
fn digest(content: &str) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(content.as_bytes())))
}
