//! Tables, as text that fits a terminal or as Markdown.

use comfy_table::{CellAlignment, Color, ContentArrangement, LineStyle, Row, Table, TableStyle};

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines of at most 120 columns.
    Text {
        /// Whether with colour; for a terminal only. No colour says anything the text does not.
        colour: bool,
    },
    /// A Markdown table, as wide as it comes.
    Markdown,
}

impl Format {
    /// What a line of text begins with: in Markdown lines run together unless they are items.
    pub(super) const fn item(self) -> &'static str {
        match self {
            Self::Text { .. } => "",
            Self::Markdown => "- ",
        }
    }
}

/// Whether a cell's content is what one hopes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Between,
    Bad,
}

/// A table whose rows belong to groups.
#[derive(Debug)]
pub(super) struct Grid {
    /// What the groups are, what the rows in them are, and the columns of figures.
    header: Vec<String>,
    rows: Vec<(String, Vec<(String, Tone)>)>,
    /// Columns from this one on stand to the right.
    numbers_from: usize,
}

const WIDTH: u16 = 120;

impl Grid {
    /// `header` begins with the groups' name and the rows' name; columns of figures are `numbers` at its end.
    pub(super) fn new(header: impl IntoIterator<Item = impl Into<String>>, numbers: usize) -> Self {
        let header: Vec<String> = header.into_iter().map(Into::into).collect();
        let numbers_from = header.len().saturating_sub(numbers);
        Self { header, rows: Vec::new(), numbers_from }
    }

    /// A row of a group; `cells` begin with the row's name. Rows of one group come one after the other.
    pub(super) fn row(&mut self, group: impl Into<String>, cells: Vec<(String, Tone)>) {
        self.rows.push((group.into(), cells));
    }

    /// The table, with a line end.
    pub(super) fn render(&self, format: Format) -> String {
        let lines = match format {
            Format::Text { colour } => self.text(colour),
            Format::Markdown => self.markdown(),
        };
        lines + "\n"
    }

    /// Groups are headings; a group's only row without a name stands on the heading's own line.
    fn text(&self, colour: bool) -> String {
        let mut table = Table::new();
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH).force_no_tty();
        if colour {
            table.enforce_styling();
        }
        table.set_header([""].into_iter().chain(self.header.iter().skip(2).map(String::as_str)));
        let mut last = None;
        for (group, cells) in &self.rows {
            let Some(((name, _), figures)) = cells.split_first() else { continue };
            let first = if name.is_empty() {
                group.clone()
            } else {
                if last != Some(group) {
                    table.add_row([group]);
                }
                format!("  {name}")
            };
            last = Some(group);
            let figures = figures.iter().map(|(text, tone)| cell(text, *tone));
            table.add_row(Row::from([comfy_table::Cell::new(first)].into_iter().chain(figures).collect::<Vec<_>>()));
        }
        // The two leading columns of the header are one here.
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if index + 1 >= self.numbers_from {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }

    fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let rule = |index| if index < self.numbers_from { "---" } else { "---:" }.to_owned();
        let mut lines = vec![
            line(self.header.iter().map(|text| escaped(text)).collect()),
            line((0..self.header.len()).map(rule).collect()),
        ];
        for (group, cells) in &self.rows {
            let texts = [group].into_iter().chain(cells.iter().map(|(text, _)| text));
            lines.push(line(texts.map(|text| escaped(text)).collect()));
        }
        lines.join("\n")
    }
}

fn cell(text: &str, tone: Tone) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Between => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}

/// Text that cannot end its cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
