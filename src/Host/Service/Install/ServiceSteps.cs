using System.ComponentModel;
using System.Diagnostics;

namespace Hearth.Host.Service;

/// <summary>Does what a plan says, step by step.</summary>
internal static class ServiceSteps
{
    /// <exception cref="HearthException">A step failed; those after it were not done.</exception>
    public static void Run(IReadOnlyList<ServiceStep> steps)
    {
        foreach (var step in steps)
        {
            if (step is WriteStep write)
            {
                Write(write);
            }
            else
            {
                var run = (RunStep)step;
                var (code, output) = Run(run);
                if (code != 0 && !step.MayFail)
                {
                    throw new HearthException($"'{run}' failed with status {code}: {output}");
                }
            }
        }
    }

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its status, and what it said on both streams.</returns>
    public static (int Code, string Output) Run(RunStep step)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(step.Program, step.Arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
            process.StandardInput.Close();
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, (output + error.Result).Trim());
        }
        catch (Win32Exception exception)
        {
            throw new HearthException($"'{step}' cannot be run: {exception.Message}", exception);
        }
    }

    private static void Write(WriteStep step)
    {
        try
        {
            if (step.KeepsOld && File.Exists(step.Path))
            {
                return;
            }

            File.WriteAllText(step.Path, step.Text);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HearthException($"{step.Path} cannot be written: {exception.Message}", exception);
        }
    }
}
