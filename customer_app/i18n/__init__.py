"""What the app says, in English and Chinese, and how it writes numbers and times."""
