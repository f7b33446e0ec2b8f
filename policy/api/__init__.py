"""The API as values: ResourcePolicy, Pod, Node, quantities, selectors, names."""
