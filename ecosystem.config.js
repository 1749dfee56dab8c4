// PM2: fork mode, because cluster mode is for Node programs only. The binary
// reports that it is ready over PM2's channel, drains within kill_timeout, and
// exits with 78 on a bad setting, which a restart would not mend.
//
// INSTANCES=3 pm2 start ecosystem.config.js runs three, on the ports from
// SERVER_PORT on: PM2 gives each a PORT_OFFSET, which it keeps over reloads.
// They need one DATABASE_URL, one REDIS_HOST, and a balancer that keeps a
// client at its instance: see deploy/nginx and deploy/haproxy.
module.exports = {
  apps: [
    {
      name: "devops-insights",
      script: "./bin/devops-insights",
      cwd: __dirname, // for the program, .env and data, wherever pm2 is called
      interpreter: "none",
      exec_mode: "fork",
      instances: Number(process.env.INSTANCES || 1),
      instance_var: "PORT_OFFSET",
      // PM2 reloads as many instances at a time as `parallel` says. Once `env`
      // is there, a reload takes new settings from nowhere else.
      env: { ...process.env, parallel: "1" },
      wait_ready: true,
      listen_timeout: 15000,
      kill_timeout: 15000, // above DRAIN_TIMEOUT, 10 s unless set
      // No restart delay: PM2 would show "waiting restart" for these too.
      stop_exit_codes: [78],
    },
  ],
};
