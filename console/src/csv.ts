// CSV as RFC 4180 has it, and what its columns are.

export interface Table {
  header: string[];
  rows: string[][];
  numeric: boolean[];
}

/** The rows of a text; a last row that may be cut off is left out on demand. */
export function parse(text: string, separator: string, whole: boolean): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (letter === '"' && !cell) quoted = true;
    else if (letter === separator || letter === "\n") {
      row.push(cell.replace(/\r$/, ""));
      cell = "";
      if (letter === "\n") {
        rows.push(row);
        row = [];
      }
    } else cell += letter;
  }
  if (whole && (cell || row.length)) rows.push([...row, cell]);
  return rows.filter((one) => one.length > 1 || one[0]);
}

const isNumber = (text: string) => text.trim() !== "" && Number.isFinite(Number(text));

/** Tell the header from the rows: it has no number where a column has numbers. */
export function table(rows: string[][]): Table {
  const [first = [], ...rest] = rows;
  const width = Math.max(0, ...rows.slice(0, 100).map((row) => row.length));
  const columns = Array.from({ length: width }, (_, column) => column);
  const sample = rest.length ? rest.slice(0, 500) : rows;
  const numeric = columns.map((column) => sample.every((row) => isNumber(row[column] ?? "")));
  const isHeader =
    rest.length > 0 &&
    numeric.some((yes, column) => yes && !isNumber(first[column] ?? "")) &&
    !first.some((cell) => isNumber(cell));
  const names = columns.map((column) => `column ${column + 1}`);
  return {
    header: isHeader ? columns.map((column) => first[column] || (names[column] as string)) : names,
    rows: isHeader ? rest : rows,
    numeric,
  };
}
