# frozen_string_literal: true

# Interactive examples, as somebody would deploy them with Capistrano who knows both: what has not changed is not made again.
lock "~> 3.17"

set :application, "capistrano"
set :repo_url, ENV.fetch("BENCH_REPOSITORY")
set :branch, ENV.fetch("BENCH_VERSION", "main")
set :deploy_to, "/srv/capistrano"
set :keep_releases, 5
set :format_options, log_file: nil
set :local_repository, ENV.fetch("BENCH_LOCAL_REPOSITORY")
set :build_path, ENV.fetch("BENCH_BUILD")
set :units, %w[capistrano-web.service capistrano-worker.service]

# Environments and built assets of earlier releases, by what they were made from.
set :venvs_path, -> { shared_path.join("venvs") }
set :assets_path, -> { shared_path.join("assets") }

after "deploy:updated", "application:describe"
after "deploy:updated", "application:environment"
after "deploy:updated", "application:assets"
after "deploy:updated", "application:migrate"
after "deploy:publishing", "application:restart"
