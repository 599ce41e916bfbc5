// What a file looks like: a table with a plot, a picture, JSON, Markdown, a notebook, text, or bytes.

import { useMemo, useState } from "preact/hooks";
import { fileText } from "./api";
import { parse, table } from "./csv";
import { count, size } from "./format";
import { useLive } from "./live";
import { Markdown } from "./markdown";
import { cellsOf, Notebook } from "./notebook";
import { Loading, Problem } from "./parts";
import { Scatter } from "./scatter";

const MOST = 1 << 20; // bytes that are looked at
const MOST_OF_NOTEBOOK = 16 << 20; // of which only the whole can be shown
const ROWS = 200; // of a table that are shown
const NOTEBOOK = /\.ipynb$/i;
const IMAGE = /\.(png|jpe?g|gif|webp|svg|bmp|ico|avif)$/i;

export function Preview({ url, path, hash }: { url: string; path: string; hash: string }) {
  const [unseen, setUnseen] = useState(""); // a picture that can't be shown: why, or its bytes, can
  if (IMAGE.test(path) && unseen !== hash) {
    return <img class="picture" src={url} alt={path} onError={() => setUnseen(hash)} />;
  }
  if (/\.html?$/i.test(path)) return <Page url={url} path={path} hash={hash} />;
  return <Text url={url} path={path} hash={hash} />;
}

/** A page that a pipeline wrote: in a frame that may run no script and reach nothing. */
function Page({ url, path, hash }: { url: string; path: string; hash: string }) {
  const [source, setSource] = useState(false);
  return (
    <>
      <p>
        <button type="button" onClick={() => setSource(!source)}>
          {source ? "Show the page" : "Show its source"}
        </button>
      </p>
      {source ? (
        <Text url={url} path={path} hash={hash} />
      ) : (
        <iframe class="framed" sandbox="" src={url} title={path} />
      )}
    </>
  );
}

function Text({ url, path, hash }: { url: string; path: string; hash: string }) {
  const { data, error } = useLive(
    async (signal) => {
      const most = NOTEBOOK.test(path) ? MOST_OF_NOTEBOOK : MOST;
      const { bytes, whole } = await fileText(url, most, signal);
      const isText = !bytes.subarray(0, 8192).includes(0) && decodes(bytes, whole);
      const text = isText ? new TextDecoder().decode(bytes) : dump(bytes);
      return { text, whole, isText, length: bytes.length };
    },
    [url, hash],
  );
  if (error) return <Problem error={error} />;
  if (!data) return <Loading />;
  if (!data.length) return <p class="quiet">This file is empty.</p>;
  return (
    <>
      {!data.whole && <p class="quiet">The first {size(data.length)} of it.</p>}
      {data.isText ? (
        <Content text={data.text} path={path} whole={data.whole} />
      ) : (
        <pre class="code">{data.text}</pre>
      )}
    </>
  );
}

function Content({ text, path, whole }: { text: string; path: string; whole: boolean }) {
  if (/\.(csv|tsv)$/i.test(path)) {
    return <Sheet text={text} separator={/\.tsv$/i.test(path) ? "\t" : ","} whole={whole} />;
  }
  if (/\.(md|markdown)$/i.test(path)) return <Markdown text={text} />;
  const cells = NOTEBOOK.test(path) && whole ? cellsOf(text) : undefined;
  if (cells) return <Notebook cells={cells} />;
  if (/\.(json|ipynb)$/i.test(path) && whole) {
    try {
      return <pre class="code">{JSON.stringify(JSON.parse(text), null, 2)}</pre>;
    } catch {
      return <pre class="code">{text}</pre>;
    }
  }
  return <pre class="code">{text}</pre>;
}

function Sheet({ text, separator, whole }: { text: string; separator: string; whole: boolean }) {
  const data = useMemo(() => table(parse(text, separator, whole)), [text, separator, whole]);
  const [all, setAll] = useState(false);
  const rows = all ? data.rows : data.rows.slice(0, ROWS);
  return (
    <div class="sheet">
      <Scatter data={data} />
      <div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard */}
        <section class="scroll tall" tabIndex={0} aria-label="Rows">
          <table>
            <thead>
              <tr>
                <th scope="col">
                  <span class="quiet">#</span>
                </th>
                {data.header.map((name) => (
                  <th key={name}>{name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, index) => (
                <tr key={index}>
                  <td class="quiet number">{index + 1}</td>
                  {data.header.map((name, column) => (
                    <td key={name} class={data.numeric[column] ? "number" : ""}>
                      {row[column]}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <p class="quiet">
          {count(data.rows.length, "row")}{" "}
          {data.rows.length > rows.length && (
            <button type="button" onClick={() => setAll(true)}>
              Show all
            </button>
          )}
        </p>
      </div>
    </div>
  );
}

function decodes(bytes: Uint8Array, whole: boolean): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !whole });
    return true;
  } catch {
    return false;
  }
}

/** Bytes, as `hexdump -C` writes them. */
function dump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, 4096); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(8, "0")}  ${digits.padEnd(47)}  ${letters.join("")}`);
  }
  if (bytes.length > 4096) lines.push("…");
  return lines.join("\n");
}
