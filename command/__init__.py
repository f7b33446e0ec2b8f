"""The command `resourcepolicy`, which joins the programs and the tools for authors."""
