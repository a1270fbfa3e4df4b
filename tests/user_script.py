"""What a user writes over the public names: mypy accepts it in strict mode, without a cast (``make typecheck``)."""

import pickle

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from qmis_stats import CodebookERM, GaussianMean, MISResult, Problem, Sign, ThresholdPTQ, leakage, mis, rank
from qmis_stats.audit import audit, bundled, head_for
from qmis_stats.quantizers import quantizer

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

X = rng.normal(size=(200, 20))
leak = leakage(Ridge().fit(X, X[:, 0]), ["sign", "uniform-4"], X=X, y=X[:, 0])
print(leak.delta.round(2).tolist(), leak.conf_int(0.9).shape, leak.ranking().names[0], leak.records().shape)

data = bundled("diabetes")
audited = audit(data, head_for(data), [quantizer("sign"), quantizer("uniform-3")], runs=2, seed=1, draws=199)
ranked = audited.privacy_ranking  # of two releases and more
print(ranked.names if ranked else "one", pickle.loads(pickle.dumps(audited)) == audited, audited.summary()[:5])
axes = Figure().subplots(1, 4)
print(series.plot(axes[0]) is axes[0], ranking.plot(axes[1]), leak.plot(axes[2]), audited.plot(axes[3]))
