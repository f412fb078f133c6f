import { describe, expect, it } from 'vitest';
import { Budget } from './budget.ts';

describe('a budget', () => {
  it('is shared out first come first served and never exceeded', async () => {
    const budget = new Budget(10);
    const order: string[] = [];
    await budget.reserve(8);
    const big = budget.reserve(5).then(() => order.push('big'));
    const small = budget.reserve(1).then(() => order.push('small'));
    expect(budget.tryReserve(1)).toBe(false);
    expect(budget.used).toBe(8);
    budget.release(8);
    await Promise.all([big, small]);
    expect(order).toEqual(['big', 'small']);
    expect(budget.used).toBe(6);
  });

  it('gives more than its total when nothing else is taken', async () => {
    const budget = new Budget(10);
    await budget.reserve(3);
    const huge = budget.reserve(20);
    budget.release(3);
    await huge;
    expect(budget.used).toBe(20);
  });

  it('lets go of who was called off, and goes on with who comes next', async () => {
    const budget = new Budget(10);
    await budget.reserve(10);
    const stop = new AbortController();
    const big = budget.reserve(9, stop.signal);
    const small = budget.reserve(2);
    stop.abort();
    await expect(big).rejects.toMatchObject({ kind: 'cancelled' });
    budget.release(3);
    await small;
    expect(budget.used).toBe(9);
    await expect(budget.reserve(5, stop.signal)).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('refuses a crowd', async () => {
    const budget = new Budget(1, 2);
    await budget.reserve(1);
    const waiting = [budget.reserve(1), budget.reserve(1)];
    await expect(budget.reserve(1)).rejects.toMatchObject({ kind: 'unavailable' });
    budget.raise(3);
    await Promise.all(waiting);
    expect(budget.used).toBe(3);
  });
});
