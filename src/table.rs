//! Tables for people: columns as wide as their widest cell, the last one as long as it is.

use schemas::printable::printable;

/// Rows of text under a heading.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with this heading.
    pub(crate) fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row; what cannot be printed in it is escaped, an empty cell is a dash.
    pub(crate) fn row(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(|cell| match cell {
            "" => "-".to_owned(),
            cell => printable(cell),
        }));
    }

    /// The lines, without a line break at their end.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        self.rows.iter().map(move |row| {
            let cell = |(cell, width): (&String, usize)| format!("{cell:<width$}  ");
            let line: String = row.iter().zip(widths).map(cell).collect();
            line.trim_end().to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_line_up_and_hostile_cells_are_escaped() {
        let mut table = Table::new(["AGENT", "STATE"]);
        table.row(["billing-ops-agent", "active"]);
        table.row(["ü", ""]);
        table.row(["x\u{1b}[2J\n", "disabled"]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "AGENT              STATE");
        assert_eq!(lines[1], "billing-ops-agent  active");
        assert_eq!(lines[2], "ü                  -");
        assert!(lines.len() == 4 && !lines[3].contains(['\u{1b}', '\n']));
    }
}
