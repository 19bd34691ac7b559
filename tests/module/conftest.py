from tests.fake_engine.fixtures import engine, one_engine

__all__ = ["engine", "one_engine"]
