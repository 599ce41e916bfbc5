// Which job it is, for what shows parts of it.

export interface At {
  project: string;
  pipeline: string;
  id: string;
}

/** A job as the API names it. */
export const jobOf = (at: At) => ({
  id: at.id,
  pipeline: { name: at.pipeline, project: { name: at.project } },
});
