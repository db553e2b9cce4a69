"""Growing PGGANs on images."""
