"""Real data and models in; a ranking of quantizers by privacy, with the performance of each, out (Statement S13)."""
