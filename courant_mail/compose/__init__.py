"""
Words → letter: from the words of a mail to the finished bytes of each recipient. No database, no network.

In the order of reading: `words` (what goes in), `letter` (what comes out), `template` and `sandbox` (merge values),
`html`, `placeholders` and `sanitize` (HTML that survives), `text` (a plain part from HTML), `headers`, `encode` and
`mime` (RFC 5322 and MIME), `decorators` (the hook for apps that rewrite a mail), `preview` (what an editor is shown),
`scan` and `lint` (what is wrong with it).
"""
