"""Tools for developers, never shipped: control plane, fault simulator, soak tests, benchmarks, demo."""
