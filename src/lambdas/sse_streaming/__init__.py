"""The live stream of the sentiment analyzer: Server-Sent Events from a Lambda function URL."""
