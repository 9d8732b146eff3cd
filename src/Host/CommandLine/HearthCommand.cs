using System.CommandLine;
using System.CommandLine.Help;
using System.Runtime.InteropServices;
using Hearth.Host.CommandLine.Verbs;
using Hearth.Runtime.Constraints;

namespace Hearth.Host.CommandLine;

/// <summary>The <c>hearth</c> command: its verbs, its exit codes and how it speaks of failures.</summary>
/// <remarks>Exit codes: 0 done, 1 failed, 2 wrong usage, 129 hung up, 130 interrupted, 143 terminated.</remarks>
internal static class HearthCommand
{
    public const int Failed = 1;
    public const int WrongUsage = 2;
    public const int HungUp = 129;
    public const int Interrupted = 130;
    public const int Terminated = 143;

    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Show the stack of an unexpected error.", Recursive = true };

    public static RootCommand Build(CommandEnvironment environment)
    {
        var root = new RootCommand("Keeps local language models warm: chat, completion, inspection and the background service.")
        {
            RunVerb.Create(environment),
            ServeVerb.Create(environment),
            GenerateVerb.Create(environment),
            EmbedVerb.Create(environment),
            FillVerb.Create(environment),
            ClassifyVerb.Create(environment),
            LogitsVerb.Create(environment),
            InspectVerb.Create(environment),
            TokenizeVerb.Create(environment),
            ConstrainVerb.Create(environment),
            TemplateVerb.Create(environment),
            DoctorVerb.Create(environment),
            QuantizeVerb.Create(environment),
            SynthVerb.Create(environment),
            ConvertVerb.Create(environment),
            PerplexityVerb.Create(environment),
            BenchVerb.Create(environment),
            LensVerb.Create(environment),
            PullVerb.Create(environment),
            KeysVerb.Create(environment),
            ServiceVerb.Create(environment),
            CacheVerbs.Create(environment),
        };
        foreach (var verb in ModelVerbs.Create(environment))
        {
            root.Subcommands.Add(verb);
        }

        root.Options.Add(Verbose);
        return root;
    }

    /// <summary>Runs the process: Ctrl-C, termination and a terminal that is gone cancel what runs.</summary>
    public static async Task<int> RunAsync(string[] args, CommandEnvironment environment)
    {
        using var cancellation = new CancellationTokenSource();
        var exitCode = Interrupted;
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            if ((context.Signal == PosixSignal.SIGINT && environment.Interruption.TryTake()) || (context.Signal == PosixSignal.SIGHUP && environment.Interruption.HangUpIsTaken))
            {
                return;
            }

            exitCode = context.Signal switch
            {
                PosixSignal.SIGTERM => Terminated,
                PosixSignal.SIGHUP => HungUp,
                _ => Interrupted,
            };
            cancellation.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var result = await RunAsync(args, environment, cancellation.Token);
        return result == Interrupted ? exitCode : result;
    }

    /// <summary>Runs one command line.</summary>
    public static async Task<int> RunAsync(string[] args, CommandEnvironment environment, CancellationToken cancellationToken)
    {
        var parsed = Build(environment).Parse(args);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            var verb = parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ";
            environment.Error.WriteLine($"hearth: {OneLine(Suggestions.Explain(parsed))} (see hearth {verb}--help)");
            return WrongUsage;
        }

        try
        {
            // Signals are handled above, so that a service may take the time it needs to stop.
            var configuration = new InvocationConfiguration
            {
                Output = environment.Output,
                Error = environment.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (Exception exception)
        {
            return Report(exception, environment.Error, parsed.GetValue(Verbose), cancellationToken);
        }
    }

    private static int Report(Exception exception, TextWriter error, bool verbose, CancellationToken cancellationToken)
    {
        switch (exception)
        {
            case OperationCanceledException when cancellationToken.IsCancellationRequested:
                return Interrupted;
            case UsageException:
                error.WriteLine($"hearth: {OneLine(exception.Message)}");
                return WrongUsage;
            case InvalidRequestException invalid:
                error.WriteLine($"hearth: {OneLine($"{GenerationOption.FlagOfMember(invalid.Option)} {invalid.Reason}")}");
                return WrongUsage;
            case ConstraintException constraint:
                error.WriteLine($"hearth: the constraint cannot be enforced: {OneLine(constraint.Describe())}");
                return WrongUsage;
            case HearthException or IOException or UnauthorizedAccessException:
                error.WriteLine($"hearth: {OneLine(exception.Message)}");
                break;
            default:
                error.WriteLine($"hearth: unexpected {exception.GetType().Name}: {OneLine(exception.Message)}{(verbose ? "" : " (--verbose shows where)")}");
                break;
        }

        if (verbose)
        {
            error.WriteLine(exception.ToString());
        }

        return Failed;
    }

    private static string OneLine(string message) => string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
