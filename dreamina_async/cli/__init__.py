"""The command line, `dreamina-async` (extra `[cli]`); starts at `dreamina_async.__main__:main`."""
