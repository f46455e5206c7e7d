"""World to Plan. Pure: every decision of the product is taken here and nowhere else."""
