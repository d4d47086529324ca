// The mathematics of the live bandit: pure functions, which draw nothing and keep nothing.
// `tests/tutorials/test_live_bandit.py` compares them with the package's, to 1e-12.
const bandit = (function () {
  "use strict";
  const sum = (values) => values.reduce((total, each) => total + each, 0);
  const mean = (values) => sum(values) / values.length;

  // mulberry32: a random generator with 32 bits of state. A step adds an odd constant to the state, and mixes its bits
  // by two multiplications. `seed`: a whole number from 0 to 2^32 - 1. Returns a function whose calls give uniform
  // numbers in [0, 1), the same ones for the same seed.
  function generator(seed) {
    let state = seed >>> 0;
    return function () {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  // The policy: probabilities of the K answers from their logits.
  function softmax(logits) {
    const highest = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - highest));
    const total = sum(powers);
    return powers.map((power) => power / total);
  }

  // The answer that a uniform number selects (inverse CDF). Policies that agree draw the same answer from the same number.
  function draw(probabilities, uniform) {
    let passed = 0;
    for (let answer = 0; answer < probabilities.length; answer++) {
      passed += probabilities[answer];
      if (uniform < passed) return answer;
    }
    return probabilities.length - 1; // the probabilities add up to a little less than 1
  }

  // eq-4: (R - mean) / population deviation of the pool; exactly 0 if all of the pool are equal. As in the package, the
  // pool is mapped onto [0, 1] first: eq-4 does not change by it, and equal rewards then differ by exactly 0.
  function standardize(values, pool) {
    const lowest = Math.min(...pool), span = Math.max(...pool) - lowest;
    if (span === 0) return values.map(() => 0);
    const unit = pool.map((reward) => (reward - lowest) / span);
    const mu = mean(unit);
    const sigma = Math.sqrt(mean(unit.map((each) => (each - mu) ** 2)));
    return values.map((reward) => ((reward - lowest) / span - mu) / sigma);
  }

  // Advantages of G samples and of the reference: with the reference in the pool (GRAO), or with the samples only (GRPO).
  function advantages(rewards, reference, withReference = true) {
    const members = [...rewards, reference];
    const all = standardize(members, withReference ? members : rewards);
    return { outputs: all.slice(0, -1), reference: all[all.length - 1] };
  }

  // thm-1: the weight of each sample's log-likelihood, and of the reference's.
  function likelihoodWeights(A, beta, lam) {
    const outputs = A.outputs.map((each) => ((1 + lam) * each) / A.outputs.length);
    return { outputs, reference: beta * A.reference - lam * mean(A.outputs) };
  }

  // Method -> (rewards of the G samples, R(y), beta, lambda) -> the weights of the samples and of the reference.
  const weights = {
    "GRAO printed": (rewards, reference, beta, lam) => likelihoodWeights(advantages(rewards, reference), beta, lam),
    GRAO(rewards, reference, beta, lam) {
      const w = likelihoodWeights(advantages(rewards, reference), beta, lam);
      return { outputs: w.outputs, reference: Math.max(w.reference, 0) }; // thm-4: never pushed down
    },
    GRPO(rewards, reference) {
      const A = advantages(rewards, reference, false);
      return { outputs: A.outputs.map((each) => each / rewards.length), reference: 0 };
    },
    // A sample is reinforced by how far it is above the better of the reference and the group's mean.
    bar(rewards, reference, beta, lam) {
      const A = advantages(rewards, reference), G = rewards.length;
      const bar = Math.max(A.reference, mean(A.outputs));
      const ahead = rewards.every((reward) => reward < reference);
      return {
        outputs: A.outputs.map((each) => ((1 + lam) * (each - bar)) / G),
        reference: ahead ? (beta + lam / G) * A.reference : 0,
      };
    },
  };

  // Gradient of sum_i w_i log pi(o_i) + w_y log pi(y) with respect to the logits; `group`: indices of the samples.
  function gradient(logits, group, w, y) {
    const pi = softmax(logits), total = sum(w.outputs) + w.reference;
    const push = pi.map((probability) => -total * probability);
    group.forEach((answer, i) => { push[answer] += w.outputs[i]; });
    push[y] += w.reference;
    return push;
  }

  // One step of gradient ascent.
  function step(logits, group, w, y, rate) {
    const push = gradient(logits, group, w, y);
    return logits.map((logit, answer) => logit + rate * push[answer]);
  }

  // V, the expected reward.
  function value(logits, rewards) {
    return sum(softmax(logits).map((probability, answer) => probability * rewards[answer]));
  }

  return { generator, softmax, draw, standardize, advantages, likelihoodWeights, weights, gradient, step, value };
})();
