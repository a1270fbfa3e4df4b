"""What a user writes over the public names: mypy accepts it in strict mode, without a cast (``make typecheck``)."""

import pickle

import numpy as np

from qmis_stats import CodebookERM, GaussianMean, MISResult, Problem, Sign, ThresholdPTQ, mis, rank

law = GaussianMean(mean=[0.0], covariance=[[1.0]])
problem = Problem(law, CodebookERM([[0.0], [1.0]]))
found: MISResult = mis(problem, n=100, method="tilted", replicates=2_000, seed=1)
low, high = found.conf_int()
print(f"log Δ between {low:.2f} and {high:.2f}, exactly {mis(problem, 100, 'exact').conf_int()[0]:.4f}")

series = mis(problem, [100, 200, 400], method="sharp")
print(series.log_delta.round(3).tolist(), [result.in_domain for result in series])
print(series.to_frame()["mis"].min() > 0.9, series.conf_int(0.9).shape)
print(series.summary().upper().splitlines()[0])

signs = Problem(law, ThresholdPTQ(Sign()))
assert pickle.loads(pickle.dumps(signs)) == signs != problem
rng = np.random.default_rng(1)
ranking = rank({name: rng.exponential(size=(3, 200)) for name in ("sign", "ternary")})
print(ranking.names[0], float(ranking.params[0]) > 0.0, ranking.rank_sets(0.9).tolist())
