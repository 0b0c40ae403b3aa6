//! Aligned columns, as kubectl prints them.

/// Writes rows below one another, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.chars().count() + 3));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A row of a table.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    // A line break would tear the table apart, and an escape sequence the terminal.
    cells
        .map(|cell| cell.replace(char::is_control, " "))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let rows = [
            row(["NAME", "PHASE"]),
            row(["web", "Promoted"]),
            row(["wörker-ä", ""]),
        ];
        assert_eq!(
            table(&rows, 2),
            "  NAME       PHASE\n  web        Promoted\n  wörker-ä\n"
        );
        assert_eq!(table(&[], 0), "");
    }
}
