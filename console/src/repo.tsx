// A repo: its branches, its commits, and its files in one of them.

import { useState } from "preact/hooks";
import { ApiError, call, deleteFile, fileUrl, list, NOT_FOUND, putFile } from "./api";
import { archiveUrl } from "./archive";
import { said, useAttempt } from "./attempt";
import { Now } from "./clock";
import { useProjectOption } from "./context";
import { ago, moment, short, size } from "./format";
import { useLive } from "./live";
import { useNewest } from "./newest";
import { Failed, Figures, Loading, Problem, Trail } from "./parts";
import { Preview } from "./preview";
import { link, toFile, toJob, toPipeline, toRepo } from "./router";
import type { CommitInfo, FileInfo, PipelineInfo, RepoInfo } from "./types";

const COMMITS = 50; // the newest, at first
const FILES = 200; // a page of them

export const repoOf = (project: string, name: string) => ({
  name,
  type: "user",
  project: { name: project },
});

const ID = /^[0-9a-f]{32}$/;

/** The commit that a branch's name or an ID stands for. */
export function commitOf(project: string, repo: string, name: string) {
  const there = repoOf(project, repo);
  return ID.test(name) ? { repo: there, id: name } : { repo: there, branch: { name, repo: there } };
}

interface BranchInfo {
  branch: { name: string };
  head: { id: string } | null;
}

/** The pipeline that writes a repo: none or one. */
async function writersOf(project: string, name: string, signal: AbortSignal) {
  const request = { projects: [{ name: project }] };
  const all = await list<PipelineInfo>("pps_v2.API/ListPipeline", request, signal);
  return all.filter((one) => one.pipeline.name === name);
}

/** @param until - Only commits that were started by this time are listed, if it is given. */
export function RepoView({
  project,
  name,
  until,
}: {
  project: string;
  name: string;
  until: string;
}) {
  const repo = repoOf(project, name);
  const option = useProjectOption(project);
  const limit = until ? { startedTime: new Date(Date.parse(until) + 1).toISOString() } : {};
  const about = useLive(
    (signal) => call<RepoInfo>("pfs_v2.API/InspectRepo", { repo }, signal),
    [project, name],
    ["REPOS", "COMMITS"],
  );
  const commits = useNewest(
    COMMITS,
    (number, signal) =>
      list<CommitInfo>("pfs_v2.API/ListCommit", { repo, number, ...limit }, signal),
    [project, name, until],
    ["COMMITS"],
  );
  const branches = useLive(
    (signal) => list<BranchInfo>("pfs_v2.API/ListBranch", { repo }, signal),
    [project, name],
    ["REPOS"],
  );
  const writers = useLive(
    (signal) => writersOf(project, name, signal),
    [project, name],
    ["PIPELINES"],
  );
  if (about.error) return <Failed error={about.error} />;
  if (!about.data) return <Loading />;
  const headsAt = (id: string) =>
    (branches.data ?? []).filter((one) => one.head?.id === id).map((one) => one.branch.name);
  const heads = about.data.branches;
  return (
    <section class="page">
      <Trail>
        <a href={link(["dag", project])}>{project}</a> / repo
      </Trail>
      <header class="head">
        <h1>{name}</h1>
      </header>
      {about.data.description && <p>{about.data.description}</p>}
      <Figures
        of={[
          ["Size", size(about.data.details?.sizeBytes ?? about.data.sizeBytesUpperBound)],
          ["Created", moment(about.data.created)],
          [
            "Branches",
            heads.length
              ? heads.map((branch) => (
                  <a
                    key={branch.name}
                    class="listed"
                    href={toFile(project, name, branch.name, "/")}
                  >
                    {branch.name}
                  </a>
                ))
              : "none yet",
          ],
          [
            "Written by",
            writers.data?.length ? (
              <a href={toPipeline(project, name)}>pipeline {name}</a>
            ) : (
              "its users"
            ),
          ],
        ]}
      />
      {until ? (
        <div class="tools">
          <h2>Commits until {moment(until)}</h2>
          <a href={toRepo(project, name)}>all</a>
        </div>
      ) : (
        <h2>Commits</h2>
      )}
      {commits.error && <Problem error={commits.error} />}
      {commits.rows && !commits.rows.length && (
        <p class="quiet">
          There is none.{" "}
          <code>
            pachctl put file {name}@master -f FILE{option}
          </code>{" "}
          makes one.
        </p>
      )}
      {commits.rows && commits.rows.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>Commit</th>
                <th>Head of</th>
                <th>Started</th>
                <th>Size</th>
                <th>By</th>
                <th>Description</th>
              </tr>
            </thead>
            <tbody>
              {commits.rows.map((one) => (
                <tr key={one.commit.id}>
                  <td>
                    <a href={toFile(project, name, one.commit.id, "/")}>
                      <code>{short(one.commit.id)}</code>
                    </a>
                  </td>
                  <td>{headsAt(one.commit.id).join(", ")}</td>
                  <td title={one.started ?? ""}>
                    <Now text={() => ago(one.started)} />
                  </td>
                  <td class="number">
                    {one.finished
                      ? size(one.details?.sizeBytes ?? one.sizeBytesUpperBound)
                      : "open"}
                  </td>
                  <td>
                    {one.origin?.kind === "AUTO" ? (
                      <a href={toJob(project, name, one.commit.id)}>a job</a>
                    ) : (
                      "its user"
                    )}
                  </td>
                  <td>
                    {one.error ? <span class="state bad">{one.error}</span> : one.description}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {commits.older}
    </section>
  );
}

interface Where {
  project: string;
  repo: string;
  commit: string;
  path: string;
}

/** A file or folder, and the commit it is looked at in. */
interface Found {
  info: FileInfo;
  commit: CommitInfo;
}

async function inspect(at: Where, signal: AbortSignal): Promise<Found> {
  const commit = commitOf(at.project, at.repo, at.commit);
  const file = { commit, path: at.path };
  const [found, info] = await Promise.all([
    call<CommitInfo>("pfs_v2.API/InspectCommit", { commit }, signal),
    call<FileInfo>("pfs_v2.API/InspectFile", { file }, signal).catch((problem) => {
      // A commit without files has no root either.
      const isEmpty = problem instanceof ApiError && problem.code === NOT_FOUND && at.path === "/";
      if (!isEmpty) throw problem;
      const root = { commit: null, path: at.path };
      return { file: root, fileType: "DIR", sizeBytes: "0", hash: "", committed: null };
    }),
  ]);
  return { info, commit: found };
}

/** Whether files can be put and deleted: on a branch, unless a pipeline writes it. */
function isOpen(at: Where, commit: CommitInfo): boolean {
  return at.commit.length !== 32 && commit.origin?.kind !== "AUTO";
}

export function FilesView({ at }: { at: Where }) {
  const { data, error } = useLive((signal) => inspect(at, signal), [at], ["REPOS", "COMMITS"]);
  return (
    <section class="page">
      <Path at={at} />
      {error && <h1>This can't be shown</h1>}
      {error && <Problem error={error} />}
      {!data && !error && <Loading />}
      {data?.commit.error && <p class="reason">{data.commit.error}</p>}
      {data && data.info.fileType === "DIR" && <Folder at={at} of={data} />}
      {data && data.info.fileType !== "DIR" && <File at={at} of={data} />}
    </section>
  );
}

function Path({ at }: { at: Where }) {
  const parts = at.path.split("/").filter(Boolean);
  return (
    <Trail>
      <a href={link(["dag", at.project])}>{at.project}</a> /{" "}
      <a href={toRepo(at.project, at.repo)}>{at.repo}</a>
      {" @ "}
      <a href={toFile(at.project, at.repo, at.commit, "/")}>
        {at.commit.length === 32 ? short(at.commit) : at.commit}
      </a>
      {parts.map((part, index) => {
        const path = `/${parts.slice(0, index + 1).join("/")}`;
        return (
          <span key={path}>
            {" / "}
            <a href={toFile(at.project, at.repo, at.commit, path)}>{part}</a>
          </span>
        );
      })}
    </Trail>
  );
}

function Folder({ at, of: { info, commit: within } }: { at: Where; of: Found }) {
  const [pages, setPages] = useState<string[]>([]);
  const [note, setNote] = useState("");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const after = pages.at(-1) ?? "";
  const commit = commitOf(at.project, at.repo, at.commit);
  const marker = after ? { paginationMarker: { commit, path: after } } : {};
  const { data, error, reload } = useLive(
    (signal) =>
      list<FileInfo>(
        "pfs_v2.API/ListFile",
        { file: { commit, path: at.path }, number: FILES, ...marker },
        signal,
      ),
    [at, after],
    [],
    info.hash,
  );
  const upload = async (files: FileList | undefined) => {
    for (const file of files ?? []) {
      setNote(`Putting ${file.name} …`);
      const path = `${at.path.replace(/\/$/, "")}/${file.name}`;
      const url = fileUrl({ project: at.project, repo: at.repo, id: at.commit }, path);
      try {
        await putFile(url, file);
        setNote(`${file.name} is put`);
      } catch (problem) {
        setNote(`${file.name} isn't put: ${said(problem)}`);
        break;
      }
    }
    reload();
  };
  const takesFiles = isOpen(at, within);
  const shown = (data ?? []).map((one) => one.file.path);
  const choose = (paths: string[], on: boolean) => {
    const others = chosen.filter((path) => !paths.includes(path));
    setChosen(on ? [...others, ...paths] : others);
  };
  const source = `${at.project}/${at.repo}@${at.commit}`;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files may be dropped; the button does it too
    <div
      onDragOver={(event) => takesFiles && event.preventDefault()}
      onDrop={(event) => {
        if (!takesFiles) return;
        event.preventDefault();
        upload(event.dataTransfer?.files);
      }}
    >
      <header class="head">
        <h1>{at.path === "/" ? at.repo : at.path.split("/").filter(Boolean).at(-1)}</h1>
        <span class="quiet">{size(info.sizeBytes)}</span>
        <span class="grow" />
        <a
          class="button"
          href={archiveUrl((chosen.length ? chosen : [at.path]).map((path) => `${source}:${path}`))}
          download
        >
          {chosen.length ? `Download ${chosen.length} selected` : "Download all"}
        </a>
        <a class="button" href={link(["changes", at.project, at.repo, at.commit])}>
          What changed
        </a>
        {takesFiles && (
          <label class="button">
            Put files
            <input
              type="file"
              class="hidden"
              multiple
              onChange={(event) => upload(event.currentTarget.files ?? undefined)}
            />
          </label>
        )}
      </header>
      <p class="quiet" role="status">
        {note || (takesFiles ? "Files can be dropped here, too." : "")}
      </p>
      {error && <Problem error={error} />}
      {data && !data.length && <p class="quiet">This folder is empty.</p>}
      {data && data.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <td class="choose">
                  <input
                    type="checkbox"
                    aria-label="Select all that is listed"
                    checked={shown.every((path) => chosen.includes(path))}
                    onChange={(event) => choose(shown, event.currentTarget.checked)}
                  />
                </td>
                <th>Name</th>
                <th>Size</th>
                <th>Hash</th>
              </tr>
            </thead>
            <tbody>
              {data.map((one) => (
                <tr key={one.file.path}>
                  <td class="choose">
                    <input
                      type="checkbox"
                      aria-label={`Select ${one.file.path}`}
                      checked={chosen.includes(one.file.path)}
                      onChange={(event) => choose([one.file.path], event.currentTarget.checked)}
                    />
                  </td>
                  <td>
                    <a href={toFile(at.project, at.repo, at.commit, one.file.path)}>
                      {one.file.path.split("/").filter(Boolean).at(-1)}
                      {one.fileType === "DIR" ? "/" : ""}
                    </a>
                  </td>
                  <td class="number">{size(one.sizeBytes)}</td>
                  <td class="quiet">
                    <code>{hex(one.hash).slice(0, 12)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(pages.length > 0 || data?.length === FILES) && (
        <p class="pager">
          <button
            type="button"
            disabled={!pages.length}
            onClick={() => setPages(pages.slice(0, -1))}
          >
            Back
          </button>
          <button
            type="button"
            disabled={(data?.length ?? 0) < FILES}
            onClick={() => setPages([...pages, data?.at(-1)?.file.path ?? ""])}
          >
            More
          </button>
        </p>
      )}
    </div>
  );
}

function File({ at, of: { info, commit } }: { at: Where; of: Found }) {
  const [asked, setAsked] = useState(false);
  const { attempt, failure } = useAttempt();
  const url = fileUrl({ project: at.project, repo: at.repo, id: at.commit }, info.file.path);
  const name = info.file.path.split("/").at(-1);
  const remove = () =>
    attempt(async () => {
      await deleteFile(url);
      const folder = info.file.path.replace(/[^/]+$/, "");
      window.location.replace(toFile(at.project, at.repo, at.commit, folder));
    });
  return (
    <>
      <header class="head">
        <h1>{name}</h1>
        <span class="quiet">{size(info.sizeBytes)}</span>
        <span class="grow" />
        <a
          class="button"
          href={link(["lineage", at.project, at.repo, at.commit], { path: info.file.path })}
        >
          Where it comes from
        </a>
        <a class="button" href={`${url}?download=1`}>
          Download
        </a>
        {isOpen(at, commit) &&
          (asked ? (
            <>
              <button type="button" class="bad" onClick={remove}>
                Delete in a new commit
              </button>
              <button type="button" onClick={() => setAsked(false)}>
                Keep
              </button>
            </>
          ) : (
            <button type="button" onClick={() => setAsked(true)}>
              Delete
            </button>
          ))}
      </header>
      {failure}
      <Preview url={url} path={info.file.path} hash={info.hash} />
    </>
  );
}

export function hex(base64: string): string {
  return Array.from(atob(base64), (letter) =>
    letter.charCodeAt(0).toString(16).padStart(2, "0"),
  ).join("");
}
