import { inspect } from 'node:util';
import { drawScenario } from './scenario.ts';
import { Stage } from './stage.ts';

/** Problems of one scenario shown; the rest mostly follows from them. */
const SHOWN_PROBLEMS = 10;

/** Plays the scenario of a seed to its end; throws with the seed, what was wrong and the whole scenario. */
export async function play(seed: number): Promise<Stage> {
  const scenario = drawScenario(seed);
  const stage = new Stage(scenario);
  try {
    await stage.perform();
  } catch (error) {
    stage.problems.push((error as Error).stack ?? String(error));
  }
  if (stage.problems.length === 0) return stage;
  const words = stage.problems.slice(0, SHOWN_PROBLEMS).join('\n');
  const repeat = `BAE_SIMULATION_SEED=${seed} repeats it`;
  throw new Error(`${repeat} (${scenario.theme})\n${words}\n${inspect(scenario, { depth: 5, breakLength: 150 })}`);
}

/** The seeds to play: `count` from `first` on, or the one that BAE_SIMULATION_SEED names. */
export function seedsToPlay(first: number, count: number): number[] {
  const only = process.env.BAE_SIMULATION_SEED;
  return only === undefined ? Array.from({ length: count }, (_, at) => first + at) : [Number(only)];
}
