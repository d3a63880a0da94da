"""Commands beside the DAG: thin scripts over the rooms."""
