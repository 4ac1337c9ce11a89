// What every suite includes is precompiled with this file, once.
#include <catch2/catch.hpp>
