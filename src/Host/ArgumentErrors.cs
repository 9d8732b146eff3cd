namespace Hearth.Host;

/// <summary>Errors of arguments in a caller's words.</summary>
internal static class ArgumentErrors
{
    /// <summary>What is wrong, without the name of our parameter, which means nothing to whoever typed the command or sent the request.</summary>
    public static string Reason(this ArgumentException exception) => exception.Message.Split(" (Parameter", 2)[0];
}
