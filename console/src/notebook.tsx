// A Jupyter notebook (nbformat 4) with its outputs. What others wrote runs nothing: HTML is rebuilt
// of a few elements without attributes, and pictures are shown as pictures, SVG too.

import { type ComponentChildren, h } from "preact";
import { Markdown } from "./markdown";

type Text = string | string[];

interface Output {
  output_type: string;
  text?: Text;
  data?: Record<string, Text>;
  traceback?: string[];
  ename?: string;
  evalue?: string;
}

interface Cell {
  cell_type: string;
  source?: Text;
  execution_count?: number | null;
  outputs?: Output[];
}

/** The cells of a notebook; nothing if the text has no form that we know. */
export function cellsOf(text: string): Cell[] | undefined {
  try {
    const found: unknown = JSON.parse(text);
    const { nbformat, cells } = (found ?? {}) as { nbformat?: unknown; cells?: unknown };
    if (nbformat !== 4 || !Array.isArray(cells)) return undefined;
    return cells.filter((cell) => typeof cell?.cell_type === "string");
  } catch {
    return undefined;
  }
}

export function Notebook({ cells }: { cells: Cell[] }) {
  return (
    <article class="notebook">
      {cells.map((cell, index) =>
        cell.cell_type === "code" ? (
          <CodeCell key={index} cell={cell} />
        ) : cell.cell_type === "markdown" ? (
          <Markdown key={index} text={joined(cell.source)} />
        ) : (
          <pre key={index} class="code">
            {joined(cell.source)}
          </pre>
        ),
      )}
    </article>
  );
}

function CodeCell({ cell }: { cell: Cell }) {
  const outputs = Array.isArray(cell.outputs) ? cell.outputs : [];
  return (
    <section class="cell" aria-label={`Cell ${cell.execution_count ?? "that has not run"}`}>
      <span class="quiet">[{cell.execution_count ?? " "}]</span>
      <pre class="code">{joined(cell.source)}</pre>
      {outputs.map((output, index) => (
        <Shown key={index} output={output} />
      ))}
    </section>
  );
}

function Shown({ output }: { output: Output }) {
  if (output.output_type === "error") {
    const lines = joined((output.traceback ?? []).map((line) => `${line}\n`));
    return <pre class="output bad">{lines || `${output.ename}: ${output.evalue}`}</pre>;
  }
  const data = output.data ?? {};
  for (const kind of ["image/png", "image/jpeg", "image/gif"]) {
    const image = data[kind];
    if (image !== undefined) {
      const content = joined(image).replace(/\s/g, "");
      return <img class="picture" src={`data:${kind};base64,${content}`} alt={said(data)} />;
    }
  }
  const drawing = data["image/svg+xml"];
  if (drawing !== undefined) {
    const source = `data:image/svg+xml,${encodeURIComponent(joined(drawing))}`;
    return <img class="picture" src={source} alt={said(data)} />;
  }
  const page = data["text/html"];
  if (page !== undefined) return <div class="output scroll">{rebuilt(joined(page))}</div>;
  if (data["text/markdown"] !== undefined) return <Markdown text={joined(data["text/markdown"])} />;
  return <pre class="output">{joined(output.text ?? data["text/plain"])}</pre>;
}

const said = (data: Record<string, Text>) => joined(data["text/plain"]) || "An output";

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals' colours begin with one
const COLOURS = /\u001b\[[0-9;]*[A-Za-z]/g;

/** A text as it may be stored: in one piece or in lines. */
function joined(text: Text | undefined): string {
  const whole = Array.isArray(text) ? text.join("") : text;
  return typeof whole === "string" ? whole.replace(COLOURS, "") : "";
}

const KEPT = new Set(
  "table thead tbody tfoot tr th td caption p div span pre code b strong i em ul ol li dl dt dd br hr h1 h2 h3 h4 h5 h6".split(
    " ",
  ),
);
const DROPPED = new Set(["script", "style", "template", "noscript", "iframe", "object", "title"]);

/** The text and the structure of HTML: known elements, without attributes. */
function rebuilt(html: string): ComponentChildren {
  return childrenOf(new DOMParser().parseFromString(html, "text/html").body);
}

function childrenOf(parent: Node): ComponentChildren[] {
  return [...parent.childNodes].map((node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    const name = node.nodeName.toLowerCase();
    if (node.nodeType !== Node.ELEMENT_NODE || DROPPED.has(name)) return null;
    const children = childrenOf(node);
    return KEPT.has(name) ? h(name, null, ...children) : children;
  });
}
