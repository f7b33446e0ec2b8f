"""Our programs beside a control plane: for the demo, soak tests, benchmarks and e2e tests."""
