"""What several benchmarks share: real tiles to serve, a fast loopback server, reference 1's pipeline."""
