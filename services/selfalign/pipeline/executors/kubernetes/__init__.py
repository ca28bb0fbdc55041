"""The Kubernetes executor: Jobs from the chart's templates, engines scaled, troubles reported."""
