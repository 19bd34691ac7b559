"""The dashboard of the sentiment analyzer: its page, and the API that the page reads, behind a Lambda function URL."""
