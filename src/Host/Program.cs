using Hearth.Host.CommandLine;

return await HearthCommand.RunAsync(args, CommandEnvironment.OfProcess(ModelLoading.LoadAsync));
