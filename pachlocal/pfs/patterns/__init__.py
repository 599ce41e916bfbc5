"""The glob language and its matcher: `Automaton`, built from the output of `syntax.parse`.

Matching takes time linear in pattern and path, whatever they are, by an automaton of our own:

- `re` backtracks while it blocks every other thread, and on a long name `/*a*a*a*a*a*a*a*a*b` takes
  exponential time.
- RE2 takes linear time in both, but its language lacks the negation `!(…)` that globs have, so an
  automaton with its own groups, loops and classes is needed anyway. RE2 matches whole strings,
  whereas a glob descends a tree and must know which folders it can skip. And its Python binding
  takes several times as long for a name as this one, and a hundred times as long while another
  thread computes, because each call releases the interpreter's lock.

A pattern becomes a graph (`graph`), an NFA: nodes that consume one character, and nodes that lead
on without consuming one. A path can be processed in two directions (`states`):

- From left to right, with the set of all nodes that can be reached. Negations are assumed to hold.
  An empty set means that nothing below a folder can match. Without negations, this is enough.
- From right to left, with the set of all nodes from which the end can be reached. A negation holds
  at a position if the set lacks the start node of what it refuses there.

Each set is computed once and cached, so a character usually costs a look-up, and at most one pass
over the graph. The captures of groups (`automaton`) are found by a second pass from left to right,
each time to the preferred node among those from which the end can be reached. It arrives where a
backtracking engine such as the real server's does, without backtracking.
"""
