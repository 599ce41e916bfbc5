// Markdown as far as notes need it: headings, lists, code, emphasis, links; never HTML.

import type { ComponentChildren } from "preact";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)/g;

function inline(text: string): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    found.push(text.slice(last, match.index));
    const [all, code, strong, weak, label, target] = match;
    if (code) found.push(<code>{code}</code>);
    else if (strong) found.push(<b>{strong}</b>);
    else if (weak) found.push(<i>{weak}</i>);
    else
      found.push(
        <a href={target} rel="noreferrer noopener">
          {label}
        </a>,
      );
    last = match.index + all.length;
  }
  found.push(text.slice(last));
  return found;
}

export function Markdown({ text }: { text: string }) {
  const blocks = text.replace(/\r/g, "").split(/\n{2,}(?![^`]*```\s*$)/);
  return (
    <article class="prose">
      {blocks.map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </article>
  );
}

function Block({ text }: { text: string }) {
  const lines = text.split("\n");
  if (lines[0]?.startsWith("```")) {
    return <pre class="code">{lines.slice(1, lines.length - 1).join("\n")}</pre>;
  }
  const heading = /^(#{1,6}) (.*)/.exec(lines[0] ?? "");
  if (heading) {
    return (
      <>
        <h2>{inline(heading[2] ?? "")}</h2>
        {lines.length > 1 && <p>{inline(lines.slice(1).join(" "))}</p>}
      </>
    );
  }
  if (lines.every((line) => /^\s*([-*]|\d+\.) /.test(line))) {
    return (
      <ul>
        {lines.map((line) => (
          <li key={line}>{inline(line.replace(/^\s*([-*]|\d+\.) /, ""))}</li>
        ))}
      </ul>
    );
  }
  return <p>{inline(lines.join(" "))}</p>;
}
