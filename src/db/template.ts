import type { Compilable } from './database.ts';

/**
 * A query that is compiled once and then only gets other parameters: building one anew costs several times what its row
 * does. `query` was built with each of `markers` where a value goes, so those must be told apart from each other and from
 * all constants in it.
 */
export function template(query: Compilable, markers: readonly unknown[]): (values: readonly unknown[]) => Compilable {
  const compiled = query.compile();
  const places = compiled.parameters.map((parameter) => markers.indexOf(parameter));
  return (values) => {
    const parameters = places.map((place, at) => (place < 0 ? compiled.parameters[at] : values[place]));
    return { compile: () => ({ ...compiled, parameters }) };
  };
}
