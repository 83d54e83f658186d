# frozen_string_literal: true

# The key of what a path of the repository holds.
def key_of(path)
  capture(:git, "--git-dir=#{repo_path}", "rev-parse", "#{fetch(:current_revision)}:#{path}")
end

namespace :application do
  desc "Say what the release is, for the process to read"
  task :describe do
    on roles(:app) do
      said = { version: fetch(:branch), commit: fetch(:current_revision) }
      within release_path do
        execute :echo, "'#{JSON.generate(said)}'", ">release.json"
        execute :echo, "RELEASE_ID=#{release_timestamp}", ">release.env"
      end
    end
  end

  desc "Link the virtual environment of the lock file, made where there is none yet"
  task :environment do
    on roles(:app) do
      venv = fetch(:venvs_path).join(key_of("requirements.lock"))
      unless test("[ -e #{venv}/complete ]")
        with uv_cache_dir: shared_path.join("uv"), ssl_cert_file: "/etc/ssl/certs/ca-certificates.crt" do
          execute :uv, :venv, "--quiet", "--clear", "--python", "/usr/bin/python3", venv
          execute :uv, :pip, :sync, "--quiet", "--require-hashes", "--compile-bytecode", "--python=#{venv}/bin/python",
                  release_path.join("requirements.lock")
        end
        execute :touch, "#{venv}/complete"
      end
      execute :ln, "-s", venv, release_path.join("venv")
    end
  end

  desc "Link the built assets of this frontend, built on this machine where there are none yet"
  task :assets do
    on roles(:app) do
      key = key_of("frontend")
      assets = fetch(:assets_path).join(key)
      unless test("[ -e #{assets}/complete ]")
        run_locally do
          build = "#{fetch(:build_path)}/#{key}"
          execute :rm, "-rf", build
          execute :mkdir, "-p", build
          execute "git --git-dir=#{fetch(:local_repository)} archive #{fetch(:branch)} frontend | tar -x -C #{build}"
          execute :npm, :ci, "--prefix", "#{build}/frontend", "--no-fund", "--no-audit"
          execute :npm, :run, :build, "--prefix", "#{build}/frontend"
          execute :tar, "-czf", "#{build}/dist.tar.gz", "-C", "#{build}/frontend", "dist"
        end
        execute :mkdir, "-p", assets
        upload! "#{fetch(:build_path)}/#{key}/dist.tar.gz", "#{assets}/dist.tar.gz"
        execute :tar, "-xzf", "#{assets}/dist.tar.gz", "-C", assets
        execute :touch, "#{assets}/complete"
      end
      execute :ln, "-s", assets.join("dist"), release_path.join("frontend/dist")
    end
  end

  desc "Run migrations, where the release before had others"
  task :migrate do
    on primary(:db) do
      unless test("diff -qr --exclude=__pycache__ #{current_path}/migrations #{release_path}/migrations")
        execute "cd #{release_path} && set -a && . #{shared_path}/app.env && . ./release.env && venv/bin/alembic upgrade head"
      end
    end
  end

  desc "Restart the processes, on the release that current names"
  task :restart do
    on roles(:app) do
      execute :sudo, :systemctl, :restart, *fetch(:units)
    end
  end
end
