// What a commit changed, file by file.

import { call, fileUrl, list } from "./api";
import { DifferenceOf } from "./difference";
import { short, size } from "./format";
import { useLive } from "./live";
import { Failed, Loading, Trail } from "./parts";
import { commitOf } from "./repo";
import { link, toFile, toRepo, useChoice } from "./router";
import type { CommitInfo, FileInfo } from "./types";

interface Difference {
  newFile: FileInfo | null;
  oldFile: FileInfo | null;
}

export function ChangesView({
  project,
  repo,
  commit,
}: {
  project: string;
  repo: string;
  commit: string;
}) {
  const asked = commitOf(project, repo, commit);
  const { data, error } = useLive(
    async (signal) => {
      const info = await call<CommitInfo>("pfs_v2.API/InspectCommit", { commit: asked }, signal);
      const newFile = { commit: info.commit, path: "/" };
      const all = await list<Difference>("pfs_v2.API/DiffFile", { newFile }, signal);
      return { info, all };
    },
    [project, repo, commit],
  );
  const [compared, setCompared] = useChoice("file");
  if (error) return <Failed error={error} />;
  if (!data) return <Loading />;
  const files = data.all.filter(
    (one) => one.newFile?.fileType !== "DIR" && one.oldFile?.fileType !== "DIR",
  );
  const before = data.info.parentCommit?.id ?? "";
  return (
    <section class="page">
      <Trail>
        <a href={link(["dag", project])}>{project}</a> / <a href={toRepo(project, repo)}>{repo}</a>{" "}
        @ <a href={toFile(project, repo, data.info.commit.id, "/")}>{short(data.info.commit.id)}</a>
      </Trail>
      <header class="head">
        <h1>What changed</h1>
        <span class="quiet">
          {before ? (
            <>
              since <a href={toFile(project, repo, before, "/")}>{short(before)}</a>
            </>
          ) : (
            "it is the first commit"
          )}
        </span>
      </header>
      {files.length ? (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>Change</th>
                <th>File</th>
                <th>Before</th>
                <th>Now</th>
              </tr>
            </thead>
            <tbody>
              {files.map(({ newFile, oldFile }) => {
                const path = (newFile ?? oldFile)?.file.path ?? "";
                const at = newFile ? data.info.commit.id : before;
                return (
                  <tr key={path}>
                    <td>
                      {newFile && oldFile ? (
                        <button
                          type="button"
                          aria-expanded={compared === path}
                          onClick={() => setCompared(compared === path ? "" : path)}
                        >
                          changed
                        </button>
                      ) : newFile ? (
                        "added"
                      ) : (
                        "removed"
                      )}
                    </td>
                    <td>
                      <a href={toFile(project, repo, at, path)}>{path}</a>
                    </td>
                    <td class="number">
                      {oldFile && (
                        <a href={toFile(project, repo, before, path)}>{size(oldFile.sizeBytes)}</a>
                      )}
                    </td>
                    <td class="number">{newFile && size(newFile.sizeBytes)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="quiet">Nothing.</p>
      )}
      {compared && (
        <>
          <h2>{compared}</h2>
          <DifferenceOf
            key={compared}
            before={fileUrl({ project, repo, id: before }, compared)}
            now={fileUrl({ project, repo, id: data.info.commit.id }, compared)}
          />
        </>
      )}
    </section>
  );
}
