//! A page, written so that nothing that agents wrote can act on whoever reads it.

use crate::printable::printable;

/// HTML under way. Text is escaped wherever it goes in; tags are ours.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// A page's text, from its first to its last byte.
    pub fn page(title: &str, style: &str, write: impl FnOnce(&mut Self)) -> String {
        let mut page = Self::default();
        // Nothing is loaded and nothing runs, whatever the evidence holds.
        page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.raw("<meta http-equiv=\"Content-Security-Policy\" ");
        page.raw("content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
        page.raw("<meta name=\"viewport\" content=\"width=device-width\">\n");
        page.element("title", |page| page.text(title));
        page.raw("<style>\n").raw(style).raw("</style>\n</head>\n<body>\n");
        write(&mut page);
        page.raw("</body>\n</html>\n");
        page.0
    }

    fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Text, escaped.
    pub fn text(&mut self, text: &str) {
        for c in printable(text).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    /// An element and what is in it.
    /// An element; `name` may hold attributes, and both are ours.
    pub fn element(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.raw("<").raw(name).raw(">");
        write(self);
        let tag = name.split(' ').next().unwrap_or_default();
        self.raw("</").raw(tag).raw(">\n");
    }

    /// A heading of a section.
    pub fn heading(&mut self, text: &str) {
        self.element("h2", |html| html.text(text));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.element("p", |html| html.text(text));
    }

    /// Lines as they are.
    pub fn lines(&mut self, text: &str) {
        self.element("pre", |html| {
            for line in text.lines() {
                html.text(line);
                html.raw("\n");
            }
        });
    }

    /// A list of texts.
    pub fn list(&mut self, items: impl IntoIterator<Item = String>) {
        self.element("ul", |html| {
            for item in items {
                html.element("li", |html| html.text(&item));
            }
        });
    }

    /// A table; a cell may have a class.
    pub fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) {
        self.element("table", |html| {
            html.element("thead", |html| {
                html.element("tr", |html| {
                    head.iter().for_each(|name| html.element("th", |html| html.text(name)));
                });
            });
            html.element("tbody", |html| {
                for row in rows {
                    html.element("tr", |html| row.iter().for_each(|cell| html.cell(cell)));
                }
            });
        });
    }

    fn cell(&mut self, cell: &Cell) {
        let name = match cell.class {
            "" => "td".to_owned(),
            class => format!("td class=\"{class}\""),
        };
        self.element(&name, |html| html.text(&cell.text));
    }
}

/// A cell of a table.
pub struct Cell {
    text: String,
    class: &'static str,
}

impl Cell {
    /// A text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), class: "" }
    }

    /// A text of a class of the style.
    #[must_use]
    pub fn marked(text: impl Into<String>, class: &'static str) -> Self {
        Self { text: text.into(), class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let page = Html::page("<script>", "", |page| {
            page.paragraph("</p><img src=x onerror=alert(1)> & \"'\u{202e}");
            page.table(&["a"], [vec![Cell::marked("<b>", "bad")]]);
        });
        assert!(!page.contains("<script>") && !page.contains("<img") && !page.contains("<b>"));
        assert!(!page.contains('\u{202e}'), "{page}");
        assert!(page.contains("&lt;b&gt;") && page.contains("default-src 'none'"));
    }
}
