// The migrations of schema/, as they were when this program was built.
#pragma once

#include <span>

#include "controller/sqlite.hh"

namespace pleat {

std::span<const Migration> store_migrations();
std::span<const Migration> run_migrations();  // of run.db

}  // namespace pleat
