// Where nodes of the DAG are drawn, in pixels.

export interface Placed {
  id: string;
  x: number;
  y: number;
}

export interface Places {
  width: number;
  height: number;
  places: Map<string, Placed>;
}

/** A node as far as a layout needs it. */
export interface Plain {
  id: string;
  inputs: string[];
}

export const WIDTH = 196;
export const HEIGHT = 58;
export const GAP = 18; // between nodes above each other
export const LANE = 56; // between columns
export const MARGIN = 16;
